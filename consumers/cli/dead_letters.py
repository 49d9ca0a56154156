"""`loa dead`: list, show, replay, edit and discard dead letters."""

from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Annotated

import typer
from pydantic import BaseModel

from consumers.app.settings import LoaSettings, load_vocabulary, read_settings
from consumers.cli import output
from consumers.cli.acts import By, Command, check_reading, look, run_audited
from consumers.cli.filters import check_unit, parse_time
from consumers.cli.stores import open_seals
from consumers.dead_letters.bulk import BulkDecisions, BulkSummary
from consumers.dead_letters.correction import difference, visible_text
from consumers.dead_letters.decisions import (
    DeadLetterDecisions,
    Operator,
    OutgoingMessage,
    check_corrected,
)
from consumers.dead_letters.letter import DeadLetter, DeadLetterQuery, DeadLetterStage, Decision
from consumers.dead_letters.store import DeadLetterStore
from consumers.desk.dead_letters import seal_replays
from consumers.messages import field_error, translate_os_error
from consumers.progress import report_progress
from consumers.staff.authorization import Actor
from consumers.staff.policy import ObjectFacts
from contracts.errors import FieldError, Invalid, limit_errors
from contracts.text.moments import format_for_people
from producers.bus import Bus, NoReply

_OBJECT_MAX = 500
_ERRORS_LISTED = 5
_DONE = "{} done, {} refused, {} left", "đã xử lý {}, bị từ chối {}, còn lại {}"
_CHOSEN = (
    "{} chosen, nothing done (dry run), {} refused, {} left",
    "chọn {}, chưa làm gì (chạy thử), bị từ chối {}, còn lại {}",
)


def _print_letters(letters: Sequence[DeadLetter]) -> None:
    """A block for each letter, with its first errors and the last decision."""
    if not letters:
        output.tell_empty("dead_none")
    for letter in letters:
        _print_head(letter, limit_errors(letter.errors, _ERRORS_LISTED))
        if letter.ended:
            typer.echo(f"  {_decision_line(letter.ended)}")


def _print_head(letter: DeadLetter, errors: Sequence[FieldError]) -> None:
    """Where a letter comes from, when it died, what it is about, and *errors*."""
    origin = letter.origin
    typer.echo(f"{letter.id}: {origin.subject}, {origin.stream} #{origin.seq}")
    first, last = map(format_for_people, (letter.at, letter.last or letter.at))
    typer.echo(f"  {first} ... {last}, {letter.times}x")
    for name, value in letter.about:
        if value:
            typer.echo(f"  {name}: {value}")
    for error in errors:
        texts = (error.message, error.message_vi)
        output.print_bilingual(*(f"  {error.field}: {text}" for text in texts))


def _print_letter(letter: DeadLetter) -> None:
    _print_head(letter, letter.errors)
    if letter.left_out:
        typer.echo(f"  left out, and erased where it lay: {', '.join(letter.left_out)}")
    for decision in letter.decisions:
        typer.echo(f"  {_decision_line(decision)}")
    typer.echo(visible_text(letter.original))


def _decision_line(decision: Decision) -> str:
    """One decision in a line; hashes say whether two bodies are the same."""
    facts = [format_for_people(decision.at), decision.state, f"by {decision.by or '?'}"]
    if decision.sent_to:
        facts.append(f"to {decision.sent_to}")
    if not decision.done:
        facts.append("(begun, not known to be finished)")
    if decision.after != decision.before and decision.after:
        facts.append(f"sha256 {decision.before[:12]} -> {decision.after[:12]}")
    return " ".join(filter(None, (*facts, decision.reason)))


def _print_summary(summary: BulkSummary) -> None:
    rows = [(one.id, one.unit, one.content_id, one.sent_to) for one in summary.done]
    if rows:
        output.print_table(("id", "unit", "content_id", "sent to"), rows)
    counts = len(rows), len(summary.refused), len(summary.left)
    en, vi = _CHOSEN if summary.dry_run else _DONE
    output.print_bilingual(en.format(*counts), vi.format(*counts))


app = typer.Typer(no_args_is_help=True, help="List dead letters, send them again, or give them up.")
Id = Annotated[int, typer.Argument(help="The letter's number, from `loa dead list`.")]
Ids = Annotated[list[int] | None, typer.Argument(help="Letters' numbers, from `loa dead list`.")]
Stage = Annotated[DeadLetterStage | None, typer.Option(help="Where they died.")]
Unit = Annotated[str, typer.Option(help="The unit that sent it.")]
Field = Annotated[str, typer.Option(help="The field that is wrong, e.g. data.title.")]
Text = Annotated[str, typer.Option(help="Words in the original, in upper or lower case.")]
Since = Annotated[str, typer.Option(help="Died at or after this time.")]
Until = Annotated[str, typer.Option(help="Died before this time.")]
Reason = Annotated[str, typer.Option(help="Why; kept for ever.")]
File = Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="The mended event, JSON.")]
All = Annotated[bool, typer.Option("--all", help="Also letters that are dealt with.")]
Dry = Annotated[bool, typer.Option("--dry-run", help="Only say what would be sent.")]


class EditAnswer(BaseModel):
    """The answer of `edit`: the letter, and a unified diff of the bodies."""

    letter: DeadLetter
    difference: list[str]


_IN_PART = {2: "wrong input, or a letter was refused", 3: "the bus went away; the rest waits"}
"""Exit codes of a decision on many letters."""


@app.command("list")
@output.page(list[DeadLetter], examples=("loa dead list --unit van-phong-bo --json",))
def list_letters(
    stage: Stage = None,
    unit: Unit = "",
    field: Field = "",
    text: Text = "",
    since: Since = "",
    until: Until = "",
    everything: All = False,
    by: By = "",
    as_json: output.Json = False,
) -> None:
    """List open dead letters: sender, number of deaths, and errors in both languages."""
    with output.explain_errors():
        start, end = parse_time("since", since), parse_time("until", until)
    criteria = (stage or "", unit, field, text)
    query = DeadLetterQuery(None, *criteria, since=start, until=end, ended=everything)

    async def load(bus: Bus) -> list[DeadLetter]:
        right = await look(bus, "dead.read", "", by)
        report_progress("dead letters", 0)
        letters = DeadLetterStore(bus).letters(query)
        found = [letter async for letter in letters if right.covers(_facts(letter))]
        if not found:
            await check_unit(bus, unit)
        return found

    letters = output.run_on_bus(load)
    output.print_answer(letters, as_json, lambda: _print_letters(letters))


@app.command()
@output.page(DeadLetter, examples=("loa dead show 17",))
def show(id: Id, by: By = "", as_json: output.Json = False) -> None:
    """Show one letter whole: reasons, sender, every decision, its original body."""
    letter = output.run_on_bus(lambda bus: _load(bus, id, by))
    output.print_answer(letter, as_json, lambda: _print_letter(letter))


async def _load(bus: Bus, id: int, by: str) -> DeadLetter:
    """The letter, for a person who may read it. Raises Unauthorized, Forbidden, Invalid."""
    right = await look(bus, "dead.read", str(id), by)
    letter = await DeadLetterStore(bus).load(id)
    right.require(_facts(letter))
    return letter


def _facts(letter: DeadLetter) -> ObjectFacts:
    return ObjectFacts(unit=letter.about.unit)


@app.command()
@output.page(
    BulkSummary,
    _IN_PART,
    ("loa dead replay 17 18", "loa dead replay --field data.title --dry-run"),
)
def replay(
    stage: Stage = None,
    unit: Unit = "",
    field: Field = "",
    text: Text = "",
    since: Since = "",
    until: Until = "",
    ids: Ids = None,
    by: By = "",
    reason: Reason = "",
    dry_run: Dry = False,
    as_json: output.Json = False,
) -> None:
    """Send originals again, to where they came from, under their own source and id.

    Name letters, or choose them by what they have in common. What got through meanwhile is a known
    repeat.
    """
    with output.explain_errors():
        start, end = parse_time("since", since), parse_time("until", until)
        query = DeadLetterQuery(None, stage or "", unit, field, text, since=start, until=end)
        query = _letters_to_decide(query, tuple(ids or ()))
    command = Command("dead.replay", _object(query), by, reason=reason)
    _print_and_exit(_decide(command, query, BulkDecisions.replay, dry_run=dry_run), as_json)


def _object(query: DeadLetterQuery) -> str:
    """The letters that are decided on, as the audit log names them."""
    return (" ".join(map(str, query.ids or ())) or "by option")[:_OBJECT_MAX]


def _decide(
    command: Command,
    query: DeadLetterQuery,
    decide: Callable[[BulkDecisions, DeadLetterQuery], Awaitable[BulkSummary]],
    *,
    dry_run: bool = False,
) -> BulkSummary:
    """Decide on letters; a dry run says what it would decide on."""

    async def run(bus: Bus, operator: Operator | None = None) -> BulkSummary:
        decisions = BulkDecisions(bus, operator, seal_replays(bus, lambda: open_seals(bus)))
        summary = await decide(decisions, query)
        if not (summary.done or summary.refused or summary.left or summary.away):
            await check_unit(bus, query.unit)
        return summary

    async def try_out(bus: Bus) -> BulkSummary:
        await check_reading(bus, command)
        return await run(bus)

    if dry_run:
        return output.run_on_bus(try_out)
    reason = command.reason
    return run_audited(command, lambda bus, who: run(bus, Operator(who.by, reason)))


def _letters_to_decide(query: DeadLetterQuery, ids: tuple[int, ...]) -> DeadLetterQuery:
    """The letters named by number or by option; exactly one is required. Raises Invalid."""
    if ids and query.is_selective:
        raise Invalid(field_error("id", "letters_chosen_twice"))
    if not (ids or query.is_selective):
        raise Invalid(field_error("id", "letters_not_chosen"))
    return DeadLetterQuery(ids=ids, ended=True) if ids else query


def _print_and_exit(summary: BulkSummary, as_json: bool) -> None:
    output.print_answer(summary, as_json, lambda: _print_summary(summary))
    errors = [error for one in summary.refused for error in one.errors]
    if summary.away:
        detail = translate_os_error(NoReply(summary.away))
        errors.append(field_error("bus", "bus_away", detail=detail))
    output.print_errors(errors)
    refused = output.EXIT_INVALID if summary.refused else 0
    raise typer.Exit(output.EXIT_BUS_AWAY if summary.away else refused)


@app.command()
@output.page(EditAnswer, {2: "wrong input, or still broken"}, ("loa dead edit 17 mended.json",))
def edit(
    id: Id,
    file: File,
    by: By = "",
    reason: Reason = "",
    dry_run: Dry = False,
    yes: output.Yes = False,
    as_json: output.Json = False,
) -> None:
    """Show how FILE differs, then send it in the original's place.

    The original stays. A letter refused for its revision or its id needs a new `id` as well.
    """
    body = file.read_bytes()
    letter, corrected = output.run_on_bus(lambda bus: _load_and_check(bus, id, body, by))
    lines = list(difference(letter, corrected))
    if not as_json:
        typer.echo("\n".join(lines))
    if not dry_run:
        output.confirm("ask_send", yes=yes)
        command = Command("dead.edit", str(id), by, reason=reason, facts=_facts(letter))
        letter = _send_corrected(command, letter, corrected)
        if not as_json:
            typer.echo(f"{letter.id}: {_decision_line(letter.decisions[-1])}")
    if as_json:
        output.print_json(EditAnswer(letter=letter, difference=lines))


def _send_corrected(command: Command, letter: DeadLetter, corrected: OutgoingMessage) -> DeadLetter:
    """Send the corrected message in the letter's place."""

    async def send(bus: Bus, who: Actor) -> DeadLetter:
        decisions = DeadLetterDecisions(DeadLetterStore(bus))
        return await decisions.edit(letter, corrected, Operator(who.by, command.reason))

    return run_audited(command, send)


async def _load_and_check(
    bus: Bus, id: int, body: bytes, by: str
) -> tuple[DeadLetter, OutgoingMessage]:
    """The letter, and its corrected message. Raises ContractError if that is still invalid."""
    letter = await _load(bus, id, by)
    return letter, check_corrected(letter, body, load_vocabulary(read_settings(LoaSettings)))


@app.command()
@output.page(BulkSummary, _IN_PART, examples=('loa dead discard 17 18 --reason "sent twice"',))
def discard(ids: Ids, reason: Reason, by: By = "", as_json: output.Json = False) -> None:
    """Give letters up; they stay, with who and why."""
    with output.explain_errors():
        query = _letters_to_decide(DeadLetterQuery(), tuple(ids or ()))
    command = Command("dead.discard", _object(query), by, reason=reason)
    _print_and_exit(_decide(command, query, BulkDecisions.discard), as_json)
