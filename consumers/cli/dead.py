"""`loa dead`: what could not be processed, and what to do with it."""

from pathlib import Path
from typing import Annotated

import typer

from consumers.app.settings import LoaSettings, read, vocabulary
from consumers.cli.answers import Json, on_bus, print_json, print_table
from consumers.dead_letters import DeadLetters, Letter
from producers.bus import Bus

app = typer.Typer(no_args_is_help=True, help="Dead letters: look, send again, give up.")
Id = Annotated[int, typer.Argument(help="The letter's number, from `loa dead list`.")]
By = Annotated[str, typer.Option("--by", help="Who decides.")]
Reason = Annotated[str, typer.Option(help="Why it is given up.")]
File = Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="The mended event, JSON.")]
All = Annotated[bool, typer.Option("--all", help="Also letters that are dealt with.")]


@app.command("list")
def list_letters(everything: All = False, as_json: Json = False) -> None:
    """Letters nobody has dealt with yet, each with the field that is wrong."""

    async def read(bus: Bus) -> list[Letter]:
        return [letter async for letter in DeadLetters(bus).letters(ended=everything)]

    letters = on_bus(read)
    if as_json:
        print_json([letter.model_dump(mode="json") for letter in letters])
        return
    print_table(
        ("id", "when (UTC)", "from", "field", "what is wrong", "lỗi", "ended"),
        [
            (one.id, f"{one.at:%Y-%m-%d %H:%M:%S}", one.origin.subject, *first(one), ending(one))
            for one in letters
        ],
    )


def first(letter: Letter) -> tuple[str, str, str]:
    error = letter.errors[0]
    return error.field, error.message, error.message_vi


def ending(letter: Letter) -> str:
    ended = letter.ended
    return f"{ended.state} {ended.by} {ended.reason}".strip() if ended else ""


@app.command()
def show(id: Id, as_json: Json = False) -> None:
    """One letter whole: its reasons in both languages, its origin, its original body."""
    letter = on_bus(lambda bus: DeadLetters(bus).show(id))
    if as_json:
        print_json(letter)
        return
    typer.echo(f"{letter.id}: {letter.origin.subject} #{letter.origin.seq}, {letter.at:%F %T} UTC")
    for error in letter.errors:
        typer.echo(f"  {error.field}: {error.message}\n  {error.field}: {error.message_vi}")
    if letter.ended:
        typer.echo(f"  {letter.ended.state} by {letter.ended.by or '?'} {letter.ended.reason}")
    typer.echo(letter.original.decode("utf-8", "replace"))


@app.command()
def replay(id: Id, by: By = "") -> None:
    """Send the original again, to where it came from, under its own identity."""
    letter = on_bus(lambda bus: DeadLetters(bus).replay(id, by))
    typer.echo(f"{id}: sent again to {letter.origin.subject}")


@app.command()
def edit(id: Id, file: File, by: By = "") -> None:
    """Send a mended event in the original's place. Exit code 2: it is still broken.

    A letter refused for its revision or its id needs a new `id` as well.
    """
    words = vocabulary(read(LoaSettings))
    letter = on_bus(lambda bus: DeadLetters(bus).edit(id, file.read_bytes(), words, by))
    typer.echo(f"{id}: mended and sent to {letter.origin.subject}")


@app.command()
def discard(id: Id, reason: Reason, by: By = "") -> None:
    """Give a letter up; it stays in the stream with who and why."""
    on_bus(lambda bus: DeadLetters(bus).discard(id, reason, by))
    typer.echo(f"{id}: discarded")
