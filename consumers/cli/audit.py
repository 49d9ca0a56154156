"""`loa audit`: who did what, the proof that the log is whole, and the anchor of the bus."""

import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from pydantic import BaseModel

from consumers.app.instance import BusUse
from consumers.app.settings import LoaSettings, read_settings
from consumers.audit.bus_state import Damage
from consumers.audit.chain import AuditRecord, ChainFault
from consumers.audit.log import AuditLog, parse_record
from consumers.audit.signed import signing_key
from consumers.audit.verification import LogVerifier, Proof
from consumers.cli import output
from consumers.cli.acts import By, Command, check_reading, run_audited
from consumers.cli.stores import accept_bus, open_anchor, open_keys
from consumers.messages import field_error
from consumers.progress import report_progress
from contracts.errors import FieldError
from contracts.trace import OmitEmptyModel
from producers.bus import Bus, topology

app = typer.Typer(no_args_is_help=True, help="Show who did what, and prove that the log is whole.")
Reason = Annotated[str, typer.Option(help="Why; kept for ever.")]
Last = Annotated[int, typer.Option(min=1, help="How many of the last records.")]
Heads = Annotated[
    Path | None,
    typer.Option(
        exists=True, dir_okay=False, help="Also lines of `audit-heads.jsonl` that you kept."
    ),
]
_COLUMNS = ("n", "at", "actor", "action", "object", "step", "of", "reason")


def _open_log(bus: Bus) -> AuditLog:
    return AuditLog(bus, time.time)


class ChainAnswer(OmitEmptyModel):
    """The answer of `verify`."""

    omitted_when_empty = frozenset({"removed_up_to"})

    ok: bool
    records: int
    faults: list[ChainFault]
    removed_up_to: int | None = None


class AcceptAnswer(BaseModel):
    """The damages of the bus that `audit accept` has declared right."""

    accepted: list[FieldError]


@app.command("list")
@output.page(list[AuditRecord])
def list_records(last: Last = 50, by: By = "", as_json: output.Json = False) -> None:
    """List the last records: each act before it is tried, and with its outcome."""

    async def load(bus: Bus) -> list[AuditRecord]:
        await check_reading(bus, Command("audit.read", by=by))
        audit = _open_log(bus)
        start = max((await audit.head()).n - last + 1, 1)
        return [one async for m in audit.messages(start) if (one := parse_record(m))]

    records = output.run_on_bus(load)
    rows = map(_cells, records)
    output.print_answer(records, as_json, lambda: output.print_table(_COLUMNS, rows))


def _cells(record: AuditRecord) -> Sequence[object]:
    names = (record.actor, record.action, record.object, record.step)
    return (record.n, record.at, *names, record.of or "", output.visible(record.reason))


@app.command()
@output.page(AuditRecord, is_stream=True, examples=("loa audit export > audit.jsonl",))
def export(by: By = "") -> None:
    """Write every record to stdout as it is stored, a line each."""

    async def write(bus: Bus) -> None:
        await check_reading(bus, Command("audit.read", by=by))
        report_progress("records", count := 0)
        async for message in _open_log(bus).messages():
            sys.stdout.buffer.write(message.data + b"\n")
            report_progress("records", count := count + 1)
        sys.stdout.buffer.flush()

    output.run_on_bus(write)


@app.command()
@output.page(ChainAnswer, {output.EXIT_NEEDS_PERSON: "a record was changed, dropped, added or cut"})
def verify(heads: Heads = None, as_json: output.Json = False) -> None:
    """Prove that no record was changed, dropped, put in or cut off."""
    proof = output.run_on_bus(lambda bus: _verify(bus, heads))
    facts = {"records": proof.count, "faults": proof.faults, "removed_up_to": proof.cut or None}
    answer = ChainAnswer(ok=proof.is_whole, **facts)
    output.print_answer(answer, as_json, lambda: output.print_field_texts(*proof.texts))
    raise typer.Exit(0 if proof.is_whole else output.EXIT_NEEDS_PERSON)


async def _verify(bus: Bus, copies: Path | None) -> Proof:
    kept = filter(None, (read_settings(LoaSettings).audit_heads_file, copies))
    key = signing_key(await open_keys(bus))
    return await LogVerifier(_open_log(bus), key, open_anchor(bus), tuple(kept)).verify()


@app.command()
@output.page(
    AcceptAnswer, examples=('loa audit accept --reason "restored from the backup of 25/11"',)
)
def accept(
    reason: Reason, by: By = "", yes: output.Yes = False, as_json: output.Json = False
) -> None:
    """Accept the present state of the bus. Lost messages stay lost; missing streams are created."""
    output.confirm("ask_accept", yes=yes)
    output.run_on_bus(topology.apply, use=BusUse.REPAIR)
    damages = run_audited(Command("bus.accept", by=by, reason=reason), lambda bus, _: _accept(bus))
    texts = [damage.field_error for damage in damages]
    texts.append(field_error("bus", "bus_accepted" if damages else "bus_nothing_to_accept"))
    answer = AcceptAnswer(accepted=texts)
    output.print_answer(answer, as_json, lambda: output.print_field_texts(*texts))


async def _accept(bus: Bus) -> list[Damage]:
    await open_keys(bus)
    damages = await open_anchor(bus).examine()
    await accept_bus(bus)
    return damages
