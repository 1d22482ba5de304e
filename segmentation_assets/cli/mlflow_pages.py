"""MLflow's server on the local store: its pages about searches and fits."""

import os
import sys
from importlib.util import find_spec

from segmentation.errors import SegmentationError
from segmentation.modeling.search.tracking import INSTALL, artifact_folder, set_environment, shown_uri, tracking_uri
from segmentation.settings import load_settings
from segmentation_assets.cli import console
from segmentation_assets.cli.ports import require_free

SERVER_ENVIRONMENT = {
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",  # evaluations of language models, in processes of their own
    "PYTHONWARNINGS": "ignore",  # about MLflow's own code
}


def open_pages(host: str, port: int) -> None:
    """Become MLflow's server, or say where to look if runs go elsewhere.

    Args:
        host: Address to listen on.
        port: Port to listen on.

    Raises:
        SegmentationError: Nothing is tracked, MLflow isn't installed, or the port is taken.
    """
    settings = load_settings()
    if settings.tracking_uri == "off":
        raise SegmentationError("SEGMENTATION_TRACKING_URI is off: searches and fits are not tracked.")
    if settings.tracking_uri:
        console.out.print(f"Searches and fits are logged to {shown_uri(settings)}; look there.", soft_wrap=True)
        return
    if find_spec("mlflow") is None:
        raise SegmentationError(f"MLflow isn't installed, so searches and fits are not tracked. {INSTALL}")
    require_free(port, host, instead="choose another with --port")
    console.out.print(
        f"MLflow: http://{host}:{port} in some seconds, until Ctrl-C. Choose 'Model training', then 'segmentation'.",
        soft_wrap=True,
    )
    set_environment()
    os.environ.update(SERVER_ENVIRONMENT)
    command = [
        *(sys.executable, "-m", "mlflow", "server"),
        *("--backend-store-uri", tracking_uri(settings)),
        *("--artifacts-destination", str(artifact_folder(settings))),
        *("--host", host, "--port", str(port), "--workers", "1"),
        *("--uvicorn-opts", "--log-level warning"),
    ]
    os.execv(command[0], command)  # noqa: S606 (no shell; MLflow's server ends by the same signals as we would)
