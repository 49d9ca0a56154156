"""The form of a plan: its parts as fields, and back. Names are those of the contract."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, get_args

from pydantic import ValidationError

from contracts.campaigns.plan import MAX_ENTRIES, CampaignPlan, Metric
from contracts.errors import ContractError, FieldError, explain
from producers.desk.rendering import desk_texts
from producers.pages.forms import Form, single_value

INTRODUCTION = "introduction"
METRICS: tuple[str, ...] = get_args(Metric)
_LINES = ("purpose", "first_day", "last_day")
_PARTS = ("title", "day", "unit", "channel")
_SPARE_ROWS = 3
_FIGURE_DIGITS, _ENTRY_DIGITS = 15, 3
_PLAN = "data.campaign_plan."
_AS_IN_FORM = {"data.body": INTRODUCTION, "content_id": "slug"}
"""The fields of the form for errors that Loa gives to others."""


@dataclass(frozen=True)
class PlanForm:
    """The values in the form of a plan, as it is or as it was typed."""

    data: Mapping[str, Any]
    introduction: str = ""

    def value(self, name: str) -> str:
        return str(self.data.get(name) or "")

    @property
    def partners(self) -> tuple[str, ...]:
        return tuple(self.data.get("partners") or ())

    def target(self, metric: str) -> str:
        found = (one for one in self.data.get("targets") or () if one["metric"] == metric)
        return str(next((one["number"] for one in found), ""))

    @property
    def rows(self) -> list[dict[str, Any]]:
        """The planned items, and some empty ones."""
        empty: dict[str, Any] = dict.fromkeys(("number", *_PARTS), "")
        found = [{**empty, **_filled(one)} for one in self.data.get("entries") or ()]
        return (found + [empty] * _SPARE_ROWS)[:MAX_ENTRIES]


def _filled(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if value is not None}


def read_plan(form: Form, unused: int = 1) -> dict[str, Any]:
    """The plan in a form. A row whose title is emptied is dropped.

    New ones get numbers from *unused* on, the first that no planned item has had.
    """
    data: dict[str, Any] = {name: read_lines(form, name) for name in _LINES}
    data["partners"] = form.get("partners", [])
    data["targets"] = list(_targets(form))
    rows = list(_rows(form))
    known = [row["number"] for row in rows if "number" in row]
    new = max([unused - 1, *known]) + 1
    for row in rows:
        if "number" not in row:
            row["number"], new = new, new + 1
    return {**data, "entries": rows}


def read_lines(form: Form, name: str) -> str:
    """A field of several lines, with the line breaks of a stored text."""
    return single_value(form, name).replace("\r\n", "\n").strip()


def plan_errors(data: Mapping[str, Any]) -> Iterator[FieldError]:
    """Yield everything that is wrong in a plan, by the fields of the form."""
    try:
        CampaignPlan.model_validate(data)
    except ValidationError as error:
        yield from (_named_in_form(one, data) for one in explain(error))


def as_in_plan_form(refused: ContractError, data: Mapping[str, Any]) -> ContractError:
    """The same error; parts of a plan have the names that the form gives them."""
    errors = (_named_in_form(one, data) for one in refused.errors)
    return type(refused)(*errors, retry_after_s=refused.retry_after_s)


def _named_in_form(error: FieldError, data: Mapping[str, Any]) -> FieldError:
    field = _AS_IN_FORM.get(error.field, error.field.removeprefix(_PLAN))
    head, _, rest = field.partition(".")
    targets = data.get("targets") or ()
    number = rest.partition(".")[0]
    if head == "targets" and number.isdecimal() and int(number) < len(targets):
        field = f"targets.{targets[int(number)]['metric']}"
    said = error.message_vi
    if head == "entries" and number.isdecimal():
        said = _said_of_entry(data["entries"][int(number)]["number"], rest, said)
    return error.model_copy(update={"field": field, "message_vi": said})


def _said_of_entry(number: int, rest: str, said: str) -> str:
    """An error of a planned item under its own number, which its place need not be."""
    words, part = desk_texts()["campaign"], rest.partition(".")[2]
    named = str(words["entry_named"]).format(number)
    if part not in words["entry_parts"] or said.startswith(named):
        return said
    return f"{named}: {words['entry_parts'][part]} {said}"


def _targets(form: Form) -> Iterator[dict[str, Any]]:
    """The typed numbers; anything else is kept, to be refused."""
    for metric in METRICS:
        if typed := single_value(form, f"targets.{metric}").strip().replace(".", ""):
            number = int(typed) if _is_number(typed, _FIGURE_DIGITS) else typed
            yield {"metric": metric, "number": number}


def _rows(form: Form) -> Iterator[dict[str, Any]]:
    """The rows that say something; a row that is there keeps its number, and goes by its title."""
    for place in range(MAX_ENTRIES):
        typed = {part: single_value(form, f"entries.{place}.{part}").strip() for part in _PARTS}
        row: dict[str, Any] = {part: value for part, value in typed.items() if value}
        number = single_value(form, f"entries.{place}.number")
        is_there = _is_number(number, _ENTRY_DIGITS)
        if row.get("title") or (row and not is_there):
            yield {"number": int(number), **row} if is_there else row


def _is_number(typed: str, digits: int) -> bool:
    return typed.isascii() and typed.isdecimal() and len(typed) <= digits
