"""A text of an item, as commands print it."""

import typer

from consumers.messages import field_error
from consumers.reporting.review import ReviewAnswer, data_lines
from contracts.desk.shown.readership import Readership
from contracts.editorial.moves import name_of
from contracts.errors import FieldError
from producers.output import print_field_texts


def print_text(text: ReviewAnswer, *, err: bool = False) -> None:
    """Print the newest text of an item with its status, or an earlier one, with its hash."""
    value = name_of(text.status) if text.status else ""
    code = "item_now" if text.status else "text_earlier"
    said = field_error(text.key, code, of=text.revision, value=value, since=text.at)
    print_field_texts(said, err=err)
    typer.echo(f"hash: {text.hash}", err=err)
    print_field_texts(*_readers_texts(text.readers or Readership()), err=err)
    for line in (*data_lines(text.data), *(["", *text.changes] if text.changes else [])):
        typer.echo(line, err=err)


def _readers_texts(readers: Readership) -> list[FieldError]:
    """Which revisions readers have, in the words of the item's page."""
    named = {
        "readers_over" if readers.is_over else "readers_see": readers.seen,
        "readers_will": readers.ahead,
        "readers_had": readers.gone,
    }
    found = [field_error("readers", code, of=number) for code, number in named.items() if number]
    return found or [field_error("readers", "readers_none")]
