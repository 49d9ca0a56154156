"""`loa desk`: what waits for the Information Center, and its decisions."""

import time
from collections.abc import Iterable
from typing import Annotated

import typer

from consumers.cli.answers import Json, on_bus, print_json, print_table
from consumers.cli.places import place
from consumers.desk import Desk
from consumers.items import Position
from consumers.register import Register
from consumers.release import Release
from consumers.review import page, review
from contracts.delivery import ChannelName
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
def show(content_id: ContentId, revision: Revision = None, as_json: Json = False) -> None:
    """Read a draft before you decide: its fields, its text, and what it changes of what is out."""
    found = on_bus(lambda bus: review(bus, content_id, revision))
    if as_json:
        print_json(found.plain())
        return
    draft, text = found.draft, found.text
    typer.echo(f"{draft.key}, {draft.unit}: {text.action}, hash {draft.hash}")
    tell_place(content_id, text.channels)
    if text.reason:
        typer.echo(f"reason: {text.reason}")
    for line in (*page(text), *(["", *found.changes] if found.changes else [])):
        typer.echo(line)


def tell_place(content_id: str, channels: Iterable[ChannelName]) -> None:
    """Where readers find it."""
    if ChannelName.PORTAL in channels:
        typer.echo(place(content_id))


@app.command()
def approve(content_id: ContentId, by: By, revision: Revision = None, hash: Hash = None) -> None:
    """Release a draft. With --hash only if it is still the content that you reviewed."""

    async def decide(bus: Bus) -> tuple[int, Position]:
        bench = desk(bus)
        number = revision or await bench.newest(content_id)
        return number, await bench.approve(content_id, by, revision=number, content_hash=hash)

    number, record = on_bus(decide)
    typer.echo(f"{content_id}: {record.state}, revision {number}: {record.title}")
    tell_place(content_id, record.channels)


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
