"""A text of an item, as commands print it."""

import typer

from consumers.messages import field_error
from consumers.reporting.review import ReviewAnswer, data_lines
from contracts.editorial.moves import name_of
from producers.output import print_field_texts


def print_text(text: ReviewAnswer, *, err: bool = False) -> None:
    """Print the newest text of an item with its status, or an earlier one, with its hash."""
    value = name_of(text.status) if text.status else ""
    code = "item_now" if text.status else "text_earlier"
    said = field_error(text.key, code, of=text.revision, value=value, since=text.at)
    print_field_texts(said, err=err)
    typer.echo(f"hash: {text.hash}", err=err)
    for line in (*data_lines(text.data), *(["", *text.changes] if text.changes else [])):
        typer.echo(line, err=err)
