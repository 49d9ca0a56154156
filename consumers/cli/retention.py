"""`loa retention`: list and remove records that are older than their retention period."""

import time
from typing import Annotated

import typer
from pydantic import BaseModel

from consumers.app.settings import LoaSettings, load_retention, read_settings
from consumers.app.wiring.retention import build_retention
from consumers.cli.acts import By, Command, run_audited
from consumers.cli.output import (
    Json,
    Yes,
    confirm,
    explain_errors,
    page,
    print_answer,
    print_field_texts,
    print_table,
    run_on_bus,
)
from consumers.cli.stores import open_editorial_log, open_keys
from consumers.intake.draft_decisions import DraftDecisions
from consumers.operations.retention import KindPlan, RetentionService, clock_problem
from consumers.staff.authorization import Actor
from contracts.errors import FieldError
from producers.bus import Bus

ClockIsRight = Annotated[
    bool,
    typer.Option(
        "--clock-is-right", help="Also when the last pass is more than 31 days ago; look first."
    ),
]
app = typer.Typer(no_args_is_help=True, help="Show and enforce how long records are kept.")


class PlanAnswer(BaseModel):
    """The answer of `plan`. *held*: why a pass would remove nothing now."""

    kinds: list[KindPlan]
    held: FieldError | None


@app.command()
@page(PlanAnswer)
def plan(as_json: Json = False) -> None:
    """Show for each kind how long it is kept, what a pass would remove now, and the oldest."""

    async def work(bus: Bus) -> tuple[list[KindPlan], FieldError | None]:
        service = await _open_service(bus)
        return await service.plan(), await clock_problem(bus, time.time)

    plans, held = run_on_bus(work)
    columns = ("kind", "days", "how", "due now", "oldest")
    answer = PlanAnswer(kinds=plans, held=held)
    print_answer(answer, as_json, lambda: print_table(columns, map(_cells, plans)))
    if held and not as_json:
        print_field_texts(held)


_HOW = {"removed": "by a pass", "expires": "by the stream", "kept": "never"}
"""How a kind goes, for people: beside the column `due now`, "removed" read like its number."""


def _cells(kind: KindPlan) -> tuple[object, ...]:
    how = _HOW[kind.carried_out]
    if kind.age_days is not None:
        how += f", the stream says {kind.age_days:g} days until the next pass"
    due = kind.due if kind.carried_out == "removed" else ""
    return kind.kind, kind.days, how, due, kind.oldest


@app.command()
@page(dict[str, int], {2: "wrong input, or the clock is far ahead: nothing was removed"})
def run(
    is_clock_right: ClockIsRight = False, by: By = "", yes: Yes = False, as_json: Json = False
) -> None:
    """Remove records past their retention period now, as `loa up` does once a day. Repeatable."""

    async def work(bus: Bus, _: Actor) -> dict[str, int]:
        return await (await _open_service(bus)).run_once(is_clock_right=is_clock_right)

    confirm("ask_retention", yes=yes)
    after = "the clock is right" if is_clock_right else ""
    removed = run_audited(Command("retention.run", by=by, after=after), work)
    print_answer(removed, as_json, lambda: print_table(("kind", "removed"), removed.items()))


async def _open_service(bus: Bus) -> RetentionService:
    with explain_errors():
        retention = load_retention(read_settings(LoaSettings))
    decisions = DraftDecisions(bus, time.time)
    decisions.log = open_editorial_log(bus)
    return build_retention(decisions, await open_keys(bus), retention)
