"""`loa desk`: what waits for the Information Center, and its decisions."""

import time
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Annotated

import typer

from consumers.cli.answers import Json, on_bus, print_json, print_said, print_table
from consumers.cli.places import place, tell_place
from consumers.desk import Desk
from consumers.drafts import Draft
from consumers.faults import fault
from consumers.items import Position
from consumers.register import Register
from consumers.release import Release
from consumers.review import Purpose, page, purposes, review
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
    """What waits, most urgent first: since when, and whether it is new or changes what is out."""

    async def look(bus: Bus) -> list[tuple[Draft, Purpose]]:
        drafts = await desk(bus).waiting()
        return list(zip(drafts, await purposes(Register(bus), drafts), strict=True))

    found = on_bus(look)
    if as_json:
        print_json([draft.model_dump(mode="json") | {"what": one.what} for draft, one in found])
        return
    print_table(
        ("content_id", "revision", "unit", "since (UTC)", "what", "title", "author"),
        [
            (*named(draft), waits_since(draft), one.told.en, draft.text.title, draft.author or "")
            for draft, one in found
        ],
    )


def named(draft: Draft) -> tuple[str, int, str]:
    return draft.content_id, draft.revision, draft.unit


def waits_since(draft: Draft) -> str:
    return f"{draft.at.astimezone(UTC):%Y-%m-%d %H:%M}"


@app.command()
def show(content_id: ContentId, revision: Revision = None, as_json: Json = False) -> None:
    """Read a draft before you decide: its fields, its text, and what it changes of what is out."""
    found = on_bus(lambda bus: review(bus, content_id, revision))
    if as_json:
        print_json(found.plain())
        return
    draft, text = found.draft, found.text
    waits = {"what": found.purpose.told, "since": waits_since(draft)}
    print_said(fault(f"{draft.key}, {draft.unit}", "draft_waits", **waits))
    typer.echo(f"hash: {draft.hash}")
    where(content_id, text.channels, out=found.on_portal)
    if text.reason:
        typer.echo(f"reason: {text.reason}")
    for line in (*page(text), *(["", *found.changes] if found.changes else [])):
        typer.echo(line)


def where(content_id: str, channels: Iterable[ChannelName], *, out: bool) -> None:
    """Where readers find it, or will; *out*: something of the item is there already."""
    if ChannelName.PORTAL in channels:
        tell_place("place" if out else "place_to_be", place(content_id))


@app.command()
def approve(content_id: ContentId, by: By, revision: Revision = None, hash: Hash = None) -> None:
    """Release a draft. With --hash only if it is still the content that you reviewed."""

    async def decide(bus: Bus) -> tuple[int, Position]:
        bench = desk(bus)
        number = revision or await bench.newest(content_id)
        return number, await bench.approve(content_id, by, revision=number, content_hash=hash)

    number, record = on_bus(decide)
    later = record.not_before is not None and record.not_before > datetime.now(UTC)
    at = f"{record.not_before.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}" if record.not_before else ""
    print_said(
        fault(content_id, "draft_released_later" if later else "draft_released", of=number, at=at)
    )
    typer.echo(record.title)
    where(content_id, record.channels, out=False)


@app.command()
def reject(
    content_id: ContentId,
    by: By,
    revision: Revision = None,
    code: Code = "",
    reason: Reason = "",
) -> None:
    """Turn a draft down, with a code or a reason; the unit sees it in its event's status."""

    async def decide(bus: Bus) -> int:
        bench = desk(bus)
        number = revision or await bench.newest(content_id)
        await bench.reject(content_id, by, revision=number, code=code, reason=reason)
        return number

    print_said(fault(content_id, "draft_refused", of=on_bus(decide)))
