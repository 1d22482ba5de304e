"""The command `notify`: a message of one's own, by the way that the platform's messages take."""

from typing import Annotated

import typer

from segmentation.errors import SegmentationError, SeveralProblemsError
from segmentation.notifications.channels import Message, open_services
from segmentation.settings import load_settings


def notify(
    text: Annotated[str, typer.Argument(help="What to tell.")],
    title: Annotated[str, typer.Option(help="Its title.")] = "A message from the segmentation platform",
) -> None:
    """Send a message to everybody that SEGMENTATION_NOTIFY names, and say who took it.

    For example: segmentation notify "Is anybody there?"
    """
    services = open_services(load_settings())
    if not services:
        raise SegmentationError(
            "SEGMENTATION_NOTIFY is empty: set it to an Apprise address, such as json://host/path for a webhook."
        )
    problems = []
    for service in services:
        problem = service.send(Message("info", title, text))
        if problem is None:
            typer.echo(f"{service.name}: sent")
        else:
            problems.append(problem)
    if problems:
        raise SeveralProblemsError(["Not everybody took the message.", *problems])
