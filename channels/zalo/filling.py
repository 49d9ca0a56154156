"""Filling a template's blanks with what a notice says, within Zalo's limits."""

from collections.abc import Mapping

from channels.base import Outcome, Verdict
from channels.notices import FREE_TEXT, MONEY
from channels.zalo import lengths
from channels.zalo.lengths import Limit, units
from channels.zalo.outcomes import Stop
from channels.zalo.template_book import Blank, Template

NUMBER = "NUMBER"
LONGEST_ESCAPE = 6
"""`&quot;`: a template's value is not counted escaped."""


def filled(template: Template, values: Mapping[str, str]) -> dict[str, str]:
    """The parameters as Zalo wants them.

    Raises Stop, which names the parameter, for what is missing or can't be made to fit.
    """
    found = {blank.name: value(blank, values) for blank in template.blanks}
    return {name: text for name, text in found.items() if text}


def value(blank: Blank, values: Mapping[str, str]) -> str:
    """Empty for an optional parameter of which nothing is known, or that does not fit."""
    text = fitted(blank, values.get(blank.name, ""))
    if units(text) >= max(blank.min_length, 1) and not too_long(blank, text):
        return text
    if blank.require:
        raise refused(blank, text)
    return ""


def fitted(blank: Blank, text: str) -> str:
    if blank.type.upper() == NUMBER and blank.name in MONEY:
        return text.replace(".", "")
    if blank.name in FREE_TEXT and too_long(blank, text):
        room = blank.max_length
        return lengths.cut(text, Limit(room, LONGEST_ESCAPE * room))
    return text


def too_long(blank: Blank, text: str) -> bool:
    return bool(blank.max_length) and units(text) > blank.max_length


def refused(blank: Blank, text: str) -> Stop:
    why = "missing" if not text else "too long" if too_long(blank, text) else "too short"
    reason = f"template parameter {blank.name}: {why}"
    return Stop(Outcome(Verdict.FAILED, reason, asked=False))
