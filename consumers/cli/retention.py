"""`loa retention`: list and remove records that are older than their retention period."""

import time

import typer

from consumers.app.settings import LoaSettings, load_retention, read_settings
from consumers.app.wiring.retention import build_retention
from consumers.cli.acts import By, Command, run_audited
from consumers.cli.output import (
    TIME_FORMAT,
    Json,
    explain_errors,
    print_answer,
    print_table,
    run_on_bus,
)
from consumers.cli.stores import open_keys
from consumers.operations.retention import KindPlan, RetentionService
from consumers.staff.authorization import Actor
from producers.bus import Bus

app = typer.Typer(no_args_is_help=True, help="How long what is kept.")


@app.command()
def plan(as_json: Json = False) -> None:
    """For each kind: how many days it is kept, what a pass would remove now, and the oldest."""

    async def work(bus: Bus) -> list[KindPlan]:
        return await (await _open_service(bus)).plan()

    plans = run_on_bus(work)
    columns = ("kind", "days", "how", "due now", "oldest (UTC)")
    print_answer({"kinds": plans}, as_json, lambda: print_table(columns, map(_cells, plans)))


def _cells(kind: KindPlan) -> tuple[object, ...]:
    how: str = kind.carried_out
    if kind.age_days is not None:
        how += f", the stream says {kind.age_days:g} days until the next pass"
    due = kind.due if kind.carried_out == "removed" else ""
    oldest = f"{kind.oldest:{TIME_FORMAT}}" if kind.oldest else ""
    return kind.kind, kind.days, how, due, oldest


@app.command()
def run(by: By = "", as_json: Json = False) -> None:
    """Remove records past their retention period now, as `loa up` does once a day. Repeatable."""

    async def work(bus: Bus, _: Actor) -> dict[str, int]:
        return await (await _open_service(bus)).run_once()

    removed = run_audited(Command("retention.run", by=by), work)
    print_answer(removed, as_json, lambda: print_table(("kind", "removed"), removed.items()))


async def _open_service(bus: Bus) -> RetentionService:
    with explain_errors():
        retention = load_retention(read_settings(LoaSettings))
    return build_retention(bus, await open_keys(bus), retention, time.time)
