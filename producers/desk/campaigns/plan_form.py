"""The form of a plan: its parts as fields, and back. Names are those of the contract."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, get_args

from pydantic import ValidationError

from contracts.campaigns.plan import MAX_ENTRIES, CampaignPlan, Metric
from contracts.errors import WHOLE_EVENT, ContractError, FieldError, Invalid, explain
from producers.pages.forms import Form, single_value

METRICS: tuple[str, ...] = get_args(Metric)
_LINES = ("purpose", "first_day", "last_day")
_PARTS = ("title", "day", "unit", "channel")
_SPARE_ROWS = 3
_FIGURE_DIGITS, _ENTRY_DIGITS = 15, 3
_PLAN = "data.campaign_plan."


@dataclass(frozen=True)
class PlanForm:
    """The values in the form of a plan, as it is or as it was typed."""

    data: Mapping[str, Any]

    @classmethod
    def of(cls, plan: CampaignPlan | None) -> "PlanForm":
        return cls(plan.model_dump(mode="json") if plan else {})

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


def read_plan(form: Form, before: CampaignPlan | None) -> dict[str, Any]:
    """The plan in a form. A row without a title is dropped; a new one gets the next number."""
    data: dict[str, Any] = {
        name: single_value(form, name).replace("\r\n", "\n").strip() for name in _LINES
    }
    data["partners"] = form.get("partners", [])
    data["targets"] = list(_targets(form))
    numbers = before.next_number if before else 1
    rows = list(_rows(form))
    known = [row["number"] for row in rows if "number" in row]
    new = max([numbers - 1, *known]) + 1
    for row in rows:
        if "number" not in row:
            row["number"], new = new, new + 1
    return {**data, "entries": rows}


def checked_plan(data: Mapping[str, Any]) -> CampaignPlan:
    """Raises Invalid, naming the fields of the form."""
    try:
        return CampaignPlan.model_validate(data)
    except ValidationError as error:
        raise as_in_plan_form(Invalid(*explain(error)), data) from error


def as_in_plan_form(refused: ContractError, data: Mapping[str, Any]) -> ContractError:
    """The same error; parts of a plan have the names that the form gives them."""
    errors = (_named_in_form(one, data) for one in refused.errors)
    return type(refused)(*errors, retry_after_s=refused.retry_after_s)


def _named_in_form(error: FieldError, data: Mapping[str, Any]) -> FieldError:
    field = error.field.removeprefix(_PLAN)
    if field in (WHOLE_EVENT, _PLAN.rstrip(".")):
        field = "first_day"
    head, _, rest = field.partition(".")
    targets = data.get("targets") or ()
    number = rest.partition(".")[0]
    if head == "targets" and number.isdecimal() and int(number) < len(targets):
        field = f"targets.{targets[int(number)]['metric']}"
    return error.model_copy(update={"field": field})


def _targets(form: Form) -> Iterator[dict[str, Any]]:
    """What is typed as a number; anything else is kept, to be refused."""
    for metric in METRICS:
        if typed := single_value(form, f"targets.{metric}").strip().replace(".", ""):
            number = int(typed) if _is_number(typed, _FIGURE_DIGITS) else typed
            yield {"metric": metric, "number": number}


def _rows(form: Form) -> Iterator[dict[str, Any]]:
    """The rows with a title; a row that is there keeps its number."""
    for place in range(MAX_ENTRIES):
        typed = {part: single_value(form, f"entries.{place}.{part}").strip() for part in _PARTS}
        row: dict[str, Any] = {part: value for part, value in typed.items() if value}
        number = single_value(form, f"entries.{place}.number")
        if not row.get("title"):
            continue
        yield {"number": int(number), **row} if _is_number(number, _ENTRY_DIGITS) else row


def _is_number(typed: str, digits: int) -> bool:
    return typed.isascii() and typed.isdecimal() and len(typed) <= digits
