"""Pieces of PromQL that more than one panel is made of."""

RATE = "$__rate_interval"
"""Grafana's window for rates: at least four scrapes, and no shorter than a pixel."""

RANGE = "$__range"
"""The time range that the dashboard shows."""


def selector(*matchers: str) -> str:
    """Matchers in braces; nothing for none."""
    found = [matcher for matcher in matchers if matcher]
    return f"{{{','.join(found)}}}" if found else ""


def age(timestamp: str) -> str:
    """Seconds since a Unix timestamp."""
    return f"time() - {timestamp}"


def or_zero(expression: str) -> str:
    """An expression without labels, and 0 where nothing matches it."""
    return f"({expression}) or vector(0)"


def ratio(part: str, whole: str) -> str:
    """One sum over another; no series, rather than NaN, while the whole is nothing."""
    return f"({part}) / ({whole} > 0)"


def shares(by_label: str) -> str:
    """Each series of an expression as a share of the sum of all; no series while that is nothing."""
    return f"({by_label}) / on () group_left () (sum({by_label}) > 0)"


def quantile(q: float, histogram: str, by: str = "", matcher: str = "", window: str = RATE) -> str:
    """A quantile of a histogram, over all series or by some labels."""
    labels = ", ".join(["le", *([by] if by else [])])
    return f"histogram_quantile({q}, sum by ({labels}) (rate({histogram}_bucket{selector(matcher)}[{window}])))"
