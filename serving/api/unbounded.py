"""Features in MessagePack that are no finite numbers: NaN is a missing one, and infinity the end of a range.

The decoder's bounds know neither, so a body that they refuse is looked at again here, value by value. JSON can't say
such numbers, and Arrow is checked by `services.possible_features`.
"""

from collections.abc import Iterable
from math import isfinite

import msgspec

from segmentation.metadata.features import FEATURES, Feature
from serving.api.contract import PYTHON_TYPES, Customer, ScoreRequest, bounds_of

_Features = msgspec.defstruct(
    "_Features",
    [(feature.name, PYTHON_TYPES[feature.type] | None, None) for feature in FEATURES],
    forbid_unknown_fields=True,
    frozen=True,
    gc=False,
    module=__name__,
)

_NUMBERS = tuple(feature for feature in FEATURES if PYTHON_TYPES[feature.type] is float)


class _Customer(msgspec.Struct, frozen=True, forbid_unknown_fields=True, gc=False):
    features: _Features  # type: ignore[valid-type]
    customer_id: str | None = None


class _Request(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    customers: list[_Customer]


_request, _customer = msgspec.msgpack.Decoder(_Request).decode, msgspec.msgpack.Decoder(_Customer).decode


def decode_request(body: bytes | msgspec.Raw) -> ScoreRequest:
    """A request whose features are finite and possible, or not finite.

    Raises:
        msgspec.ValidationError: One is impossible, as the bounded decoder would say it.
    """
    customers = _request(body).customers
    _check((f"$.customers[{index}].features", each) for index, each in enumerate(customers))
    return ScoreRequest([_as_customer(each) for each in customers])


def decode_customer(body: bytes | msgspec.Raw) -> Customer:
    """The same for a single customer."""
    found = _customer(body)
    _check([("$.features", found)])
    return _as_customer(found)


def is_impossible(feature: Feature, value: float) -> bool:
    """Whether a finite number can't be a feature's value."""
    lowest, highest = bounds_of(feature)
    is_outside = (lowest is not None and value < lowest) or (highest is not None and value > highest)
    return is_outside or (feature.type == "BIGINT" and value != int(value))


def _as_customer(found: _Customer) -> Customer:
    return Customer(found.features, found.customer_id)


def _check(customers: Iterable[tuple[str, _Customer]]) -> None:
    for place, customer in customers:
        for feature in _NUMBERS:
            value = getattr(customer.features, feature.name)
            if value is not None and isfinite(value) and is_impossible(feature, value):
                raise msgspec.ValidationError(f"Expected `float` >= its minimum - at `{place}.{feature.name}`")
