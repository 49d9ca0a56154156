"""The check of an operator's own texts of reports against those that ship."""

from collections.abc import Iterator, Mapping
from decimal import Decimal, InvalidOperation
from string import Formatter
from typing import Any

from consumers.messages import field_error
from consumers.periodic_reports.contents.number_texts import HOURS
from consumers.periodic_reports.indicators import load_indicators
from contracts.errors import FieldError, unknown_word_values

PLAN = "plan"
_Text = str | list[str]
_DAYS = frozenset({"label", "issuer", "first", "last"})
_ADDED: Mapping[str, tuple[str, ...]] = {
    "": (PLAN, "units", "topics"),
    "signature": ("second_authority", "second_name"),
}
"""Entries that may be there, by their table, although none ship."""
_ADDED_OF_INDICATORS = ("short",)
_WRONG_FORM = {
    "text": "report_not_text",
    "table": "report_not_table",
    "list": "report_not_list",
}
_MOST: Mapping[str, int] = {HOURS: 366 * 24, "percent": 100}
"""The greatest planned value, by the measure of its indicator."""
_FREE = ("units", "topics")
"""Tables whose entries are named by ids of the vocabulary."""


def own_text_errors(
    own: Mapping[str, Any], shipped: Mapping[str, Any], place: str = ""
) -> Iterator[FieldError]:
    """The entries of *own* that *shipped* does not know, or has in another form."""
    for name, value in own.items():
        path, known = f"{place}.{name}".lstrip("."), shipped.get(name)
        if path == PLAN:
            yield from _plan_errors(value, shipped)
        elif known is None:
            yield from _added_errors(place, name, value, shipped)
        elif isinstance(known, Mapping) and isinstance(value, Mapping):
            yield from own_text_errors(value, known, path)
        elif _form(value) != _form(known):
            yield field_error(path, _WRONG_FORM[_form(known)])
        else:
            yield from _brace_errors(path, value, known)


def _added_errors(
    place: str, name: str, value: Any, shipped: Mapping[str, Any]
) -> Iterator[FieldError]:
    path = f"{place}.{name}".lstrip(".")
    added = _ADDED.get(place, ())
    if place.startswith("indicators."):
        added = _ADDED_OF_INDICATORS
    if name not in added:
        words = unknown_word_values(name, [*shipped, *added])
        yield field_error(path, "report_text_unknown", **words)
    elif name in _FREE:
        if _form(value) != "table" or {*map(_form, value.values())} - {"text"}:
            yield field_error(path, "report_not_table")
    elif not isinstance(value, str):
        yield field_error(path, "report_not_text")


def _form(value: Any) -> str:
    """The kind of a value: a text, a table, or a list of texts; empty for another."""
    if isinstance(value, list) and all(isinstance(one, str) for one in value):
        return "list"
    if isinstance(value, Mapping):
        return "table"
    return "text" if isinstance(value, str) else ""


def _brace_errors(path: str, value: _Text, known: _Text) -> Iterator[FieldError]:
    """Errors of texts that are filled in: each name in braces needs a value."""
    allowed = _fillings(path, known)
    for text in [value] if isinstance(value, str) else value:
        if not allowed:
            continue
        try:
            names = {name for _, name, _, _ in Formatter().parse(text) if name is not None}
        except ValueError:
            names = {text}
        if strange := sorted(names - allowed):
            known_names = ", ".join(f"{{{one}}}" for one in sorted(allowed))
            yield field_error(path, "report_text_braces", value=strange[0], known=known_names)


def _fillings(path: str, known: _Text) -> frozenset[str]:
    """The names that braces may hold; none where braces are plain text."""
    if path.startswith("masthead."):
        return _DAYS | {"period"}
    if path.startswith("opening."):
        return _DAYS | {"period", "days"}
    if path.startswith("periods."):
        return _DAYS
    texts = [known] if isinstance(known, str) else known
    return frozenset(
        name for text in texts for _, name, _, _ in Formatter().parse(text) if name is not None
    )


def _plan_errors(plans: Any, shipped: Mapping[str, Any]) -> Iterator[FieldError]:
    """Errors of plans: each names its report, and has a number for indicators that exist."""
    if not isinstance(plans, Mapping):
        yield field_error(PLAN, "report_not_table")
        return
    for label, plan in plans.items():
        if isinstance(plan, Mapping):
            yield from _errors_of_plan(label, plan, shipped["indicators"])
        else:
            yield field_error(f"{PLAN}.{label}", "report_not_table")


def _errors_of_plan(
    label: str, plan: Mapping[str, Any], texts: Mapping[str, Any]
) -> Iterator[FieldError]:
    known = [one.id for one in load_indicators()]
    for name, value in plan.items():
        if name not in known:
            words = unknown_word_values(name, known)
            yield field_error(f"{PLAN}.{label}", "report_indicator_unknown", **words)
        elif not _is_number(value):
            yield field_error(f"{PLAN}.{label}.{name}", "report_not_number")
        elif error := _plan_range_error(value, texts[name]["measure"]):
            yield error.model_copy(update={"field": f"{PLAN}.{label}.{name}"})


def _plan_range_error(value: Any, measure: str) -> FieldError | None:
    """The error of a number that no indicator of *measure* can have in a year."""
    most = _MOST.get(measure)
    if Decimal(str(value)) < 0:
        return field_error(PLAN, "report_plan_negative", value=value)
    if most and Decimal(str(value)) > most:
        code = "report_plan_hours" if measure == HOURS else "report_plan_percent"
        return field_error(PLAN, code, value=value, most=most)
    return None


def _is_number(value: Any) -> bool:
    try:
        return not isinstance(value, bool) and Decimal(str(value)).is_finite()
    except InvalidOperation:
        return False
