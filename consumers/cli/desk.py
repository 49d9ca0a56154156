"""`loa desk`: what waits for the Information Center, and its decisions."""

import time
from typing import Annotated

import typer

from consumers.cli.answers import Json, on_bus, print_json, print_table
from consumers.desk import Desk
from consumers.register import Register
from consumers.release import Release
from producers.bus import Bus

app = typer.Typer(no_args_is_help=True, help="Review what units of `release = desk` have sent.")
ContentId = Annotated[str, typer.Argument(help="The item's content_id.")]
Revision = Annotated[int | None, typer.Option(help="Which revision; else the newest that waits.")]
Hash = Annotated[str | None, typer.Option("--hash", help="The content hash that you reviewed.")]
By = Annotated[str, typer.Option("--by", help="Who decides; never the author.")]
Code = Annotated[str, typer.Option(help="The reason's code, e.g. trung-lap.")]
Reason = Annotated[str, typer.Option(help="The reason in words.")]


def desk(bus: Bus) -> Desk:
    register = Register(bus)
    return Desk(bus, register, Release(bus, register), time.time)


@app.command("list")
def list_drafts(as_json: Json = False) -> None:
    """What waits, most urgent first."""
    drafts = on_bus(lambda bus: desk(bus).waiting())
    if as_json:
        print_json([draft.model_dump(mode="json") for draft in drafts])
        return
    print_table(
        ("content_id", "revision", "unit", "title", "author", "hash"),
        [
            (one.content_id, one.revision, one.unit, one.text.title, one.author or "", one.hash)
            for one in drafts
        ],
    )


@app.command()
def approve(content_id: ContentId, by: By, revision: Revision = None, hash: Hash = None) -> None:
    """Release a draft. With --hash only if it is still the content that you reviewed."""
    record = on_bus(
        lambda bus: desk(bus).approve(content_id, by, revision=revision, content_hash=hash)
    )
    typer.echo(f"{content_id}: {record.state}")


@app.command()
def reject(
    content_id: ContentId,
    by: By,
    revision: Revision = None,
    code: Code = "",
    reason: Reason = "",
) -> None:
    """Turn a draft down, with a code or a reason; the unit sees it in its event's status."""
    record = on_bus(
        lambda bus: desk(bus).reject(content_id, by, revision=revision, code=code, reason=reason)
    )
    typer.echo(f"{content_id}: {record.state}")
