"""`loa dead`: what could not be processed, and what to do with it."""

import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from functools import wraps
from inspect import Signature, signature
from pathlib import Path
from typing import Annotated, Any

import typer

from consumers.app.settings import LoaSettings, read, vocabulary
from consumers.cli import letters as shown
from consumers.cli.answers import (
    AWAY,
    INVALID,
    Json,
    complain,
    explained,
    on_bus,
    print_json,
)
from consumers.dead_letters import DeadLetters, Decisions, Letter, Person, Query, Sending, mend
from consumers.dead_letters.bulk import Bulk, Summary
from consumers.faults import fault, trouble
from contracts.errors import Invalid
from producers.bus import Bus, Silence

app = typer.Typer(no_args_is_help=True, help="Dead letters: look, send again, give up.")
Id = Annotated[int, typer.Argument(help="The letter's number, from `loa dead list`.")]
Ids = Annotated[list[int] | None, typer.Argument(help="Letters' numbers, from `loa dead list`.")]
Stage = Annotated[str, typer.Option(help="intake, dispatch, deliver or feedback.")]
Unit = Annotated[str, typer.Option(help="The unit that sent it.")]
Field = Annotated[str, typer.Option(help="The field that is wrong, e.g. data.title.")]
Text = Annotated[str, typer.Option(help="Words in the original, in upper or lower case.")]
Since = Annotated[str, typer.Option(help="Died at or after this time (UTC unless it says).")]
Until = Annotated[str, typer.Option(help="Died before this time (UTC unless it says).")]
By = Annotated[
    str, typer.Option("--by", envvar="USER", help="Who decides; kept for ever. Else $USER.")
]
Reason = Annotated[str, typer.Option(help="Why; kept for ever.")]
File = Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="The mended event, JSON.")]
All = Annotated[bool, typer.Option("--all", help="Also letters that are dealt with.")]
Dry = Annotated[bool, typer.Option("--dry-run", help="Only say what would be sent.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask before sending.")]


def choice(
    *,
    stage: Stage = "",
    unit: Unit = "",
    field: Field = "",
    text: Text = "",
    since: Since = "",
    until: Until = "",
) -> Query:
    """What letters may have in common. Raises Invalid for a time that is none."""
    first, end = moment("since", since), moment("until", until)
    return Query(stage=stage, unit=unit, field=field, text=text, since=first, until=end)


def choosing(command: Callable[..., None]) -> Callable[..., None]:
    """Give *command* the options of `choice`; what they choose is its argument `query`."""
    options = signature(choice).parameters
    own = (one for one in signature(command).parameters.values() if one.name != "query")

    @wraps(command)
    def chosen_by(**given: Any) -> None:
        with explained():
            query = choice(**{name: given.pop(name) for name in options})
        command(query=query, **given)

    whole = Signature([*options.values(), *own])
    setattr(chosen_by, "__signature__", whole)  # noqa: B010 -- typer reads what mypy can't know
    return chosen_by


@app.command("list")
@choosing
def list_letters(query: Query, *, everything: All = False, as_json: Json = False) -> None:
    """Letters nobody has dealt with yet: whose, how often, and what is wrong, in both languages."""
    wanted = replace(query, ended=everything)

    async def look(bus: Bus) -> list[Letter]:
        return [letter async for letter in DeadLetters(bus).letters(wanted)]

    found = on_bus(look)
    if as_json:
        print_json([letter.model_dump(mode="json") for letter in found])
    else:
        shown.print_list(found)


@app.command()
def show(id: Id, as_json: Json = False) -> None:
    """One letter whole: reasons, sender, everything that was decided, its original body."""
    letter = on_bus(lambda bus: DeadLetters(bus).show(id))
    if as_json:
        print_json(letter)
    else:
        shown.print_letter(letter)


@app.command()
@choosing
def replay(
    query: Query,
    *,
    ids: Ids = None,
    by: By = "",
    reason: Reason = "",
    dry_run: Dry = False,
    as_json: Json = False,
) -> None:
    """Send originals again, to where they came from, under their own source and id.

    Name letters, or choose them by what they have in common. What got through meanwhile is a known
    repeat. Exit code 2: a letter could not be sent; 3: the bus went away, the rest waits.
    """
    with explained():
        wanted = chosen(query, tuple(ids or ()))
        person = None if dry_run else Person(by, reason)
    summary = on_bus(lambda bus: Bulk(bus, person).replay(wanted))
    end(summary, as_json)


def chosen(query: Query, ids: tuple[int, ...]) -> Query:
    """Either numbers or a choice; without both nobody can have meant it. Raises Invalid."""
    if ids and query.chooses:
        raise Invalid(fault("id", "letters_chosen_twice"))
    if not (ids or query.chooses):
        raise Invalid(fault("id", "letters_not_chosen"))
    return Query(ids=ids, ended=True) if ids else query


def end(summary: Summary, as_json: bool) -> None:
    """Say what came of many letters."""
    if as_json:
        print_json(summary)
    else:
        shown.print_summary(summary)
    complain(error for one in summary.refused for error in one.errors)
    if summary.away:
        complain([fault("bus", "bus_away", detail=trouble(Silence(summary.away)))])
        raise typer.Exit(AWAY)
    raise typer.Exit(INVALID if summary.refused else 0)


@app.command()
def edit(
    id: Id,
    file: File,
    by: By = "",
    reason: Reason = "",
    dry_run: Dry = False,
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Show how FILE differs, then send it in the original's place. Exit code 2: still broken.

    The original stays. A letter refused for its revision or its id needs a new `id` as well.
    """
    with explained():
        person = None if dry_run else Person(by, reason)
    letter, mended = on_bus(lambda bus: checked(bus, id, file.read_bytes()))
    lines = list(shown.difference(letter, mended))
    if not as_json:
        typer.echo("\n".join(lines))
    if person and agreed(yes or as_json):
        letter = on_bus(lambda bus: Decisions(DeadLetters(bus)).edit(letter, mended, person))
        if not as_json:
            shown.print_ending(letter)
    if as_json:
        print_json({"letter": letter.model_dump(mode="json"), "difference": lines})


async def checked(bus: Bus, id: int, body: bytes) -> tuple[Letter, Sending]:
    """The letter, and what is to take its place. Raises ContractError when it is still broken."""
    letter = await DeadLetters(bus).show(id)
    return letter, mend(letter, body, vocabulary(read(LoaSettings)))


def agreed(yes: bool) -> bool:
    """A person at a terminal is asked; a script has decided."""
    return yes or not sys.stdin.isatty() or typer.confirm("Gửi bản đã sửa? / Send it?")


@app.command()
def discard(ids: Ids, reason: Reason, by: By = "", as_json: Json = False) -> None:
    """Give letters up; they stay, with who and why. Exit code 2: one could not be."""
    with explained():
        query, person = chosen(Query(), tuple(ids or ())), Person(by, reason)
    end(on_bus(lambda bus: Bulk(bus, person).discard(query)), as_json)


def moment(field: str, written: str) -> datetime | None:
    """A date or a time as people write it. Raises Invalid."""
    try:
        return datetime.fromisoformat(written) if written else None
    except ValueError as wrong:
        raise Invalid(fault(field, "not_a_time", value=written)) from wrong
