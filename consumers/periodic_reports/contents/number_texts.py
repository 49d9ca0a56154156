"""Numbers as Vietnamese readers write them: `1.234.567,5`."""

from decimal import ROUND_HALF_UP, Decimal

_SWAPPED = str.maketrans(",.", ".,")
_HOUR_S = 3600
_HUNDREDTH = Decimal("0.01")
HOURS = "hours"
"""The measure of durations, which are counted in seconds."""


def number_text(value: Decimal) -> str:
    """A number, with as many decimals as it has."""
    return f"{value:,f}".translate(_SWAPPED)


def hours(seconds: Decimal) -> Decimal:
    """Seconds in hours, to a hundredth."""
    return (seconds / _HOUR_S).quantize(_HUNDREDTH, ROUND_HALF_UP)


def counted(value: Decimal, measure: str) -> Decimal:
    """A value in *measure*, as figures are counted: hours in seconds."""
    return value * _HOUR_S if measure == HOURS else value
