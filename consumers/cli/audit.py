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
from consumers.audit.chain import AuditRecord, ChainFault, ChainVerifier, Fault
from consumers.audit.cut import load_cut
from consumers.audit.heads import trusted_heads
from consumers.audit.log import AuditLog, parse_record
from consumers.audit.signed import signing_key
from consumers.cli import output
from consumers.cli.acts import By, Command, check_reading, run_audited
from consumers.cli.stores import accept_bus, open_anchor, open_keys
from consumers.messages import field_error
from consumers.progress import report_progress
from contracts.errors import FieldError
from contracts.trace import OmitEmptyModel
from producers.bus import Bus, topology
from producers.seals import message_problem

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
    verifier, faults, errors = output.run_on_bus(lambda bus: _verify(bus, heads))
    count, cut = verifier.count, verifier.cut.n if verifier.cut else 0
    is_whole = not (faults or errors)
    answer = ChainAnswer(ok=is_whole, records=count, faults=faults, removed_up_to=cut or None)
    texts = [_fault_text(one) for one in faults] + errors
    texts = texts or [field_error("audit", "audit_whole", count=count)]
    texts += [field_error("audit", "audit_cut_by_retention", value=cut)] if cut else []
    output.print_answer(answer, as_json, lambda: output.print_field_texts(*texts))
    raise typer.Exit(0 if is_whole else output.EXIT_NEEDS_PERSON)


async def _verify(
    bus: Bus, copies: Path | None
) -> tuple[ChainVerifier, list[ChainFault], list[FieldError]]:
    heads, errors = await _trusted_heads(bus, copies)
    verifier = ChainVerifier(heads, await load_cut(bus, signing_key(await open_keys(bus))))
    last = (await _open_log(bus).head()).n
    async for message in _open_log(bus).messages():
        verifier.add(message.data, is_sealed=not await message_problem(bus, message))
        report_progress("records", verifier.count, last)
    return verifier, verifier.finish(), errors


async def _trusted_heads(bus: Bus, copies: Path | None) -> tuple[dict[int, str], list[FieldError]]:
    """The ends of the log that were kept, and errors of those that can't be trusted."""
    key, heads, errors = signing_key(await open_keys(bus)), dict[int, str](), []
    for path in filter(None, (read_settings(LoaSettings).audit_heads_file, copies)):
        trusted, is_whole = trusted_heads(path, key)
        heads |= trusted
        errors += [] if is_whole else [field_error(str(path), "audit_head_forged")]
    if anchored := await open_anchor(bus).audit_head():
        heads[anchored.n] = anchored.h
    return {n: h for n, h in heads.items() if n}, errors


_FAULT_TEXTS = {
    Fault.CHANGED: "audit_changed",
    Fault.DROPPED: "audit_dropped",
    Fault.INSERTED: "audit_inserted",
    Fault.REORDERED: "audit_reordered",
    Fault.CUT: "audit_cut",
    Fault.PURGED: "audit_purged",
    Fault.REWRITTEN: "audit_rewritten",
    Fault.UNSEALED: "audit_unsealed",
}


def _fault_text(one: ChainFault) -> FieldError:
    return field_error(f"record {one.n}", _FAULT_TEXTS[one.fault])


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
