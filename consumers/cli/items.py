"""Questions and orders about one content item: `loa trace`, `loa withdraw`."""

import time
import uuid
from datetime import UTC, datetime
from functools import partial
from typing import Annotated

import typer

from consumers.app.settings import LoaSettings, read, vocabulary
from consumers.cli.answers import INVALID, Json, complain, on_bus, print_json, print_table
from consumers.dead_letters.story import letters_about, with_letters
from consumers.digests.book import Book
from consumers.faults import fault
from consumers.ledger.store import Ledger
from consumers.mail import brake
from consumers.register import Register
from consumers.story import Count, Story
from consumers.trace import Trace
from contracts import events, keys
from contracts.cloudevent import CloudEvent
from contracts.errors import Invalid
from producers.bus import Bus
from producers.publisher import Publisher

ContentId = Annotated[str, typer.Argument(help="The item's content_id.")]
ItemOrCase = Annotated[str, typer.Argument(help="A content_id, or the code of a dossier.")]
Reason = Annotated[str, typer.Option(help="Why, as the public will read it.")]
ALWAYS = ("expected", "delivered", "missing")


def trace(item: ItemOrCase, as_json: Json = False) -> None:
    """Did it go out, to whom, why not: an item's counts per channel, and its timeline."""
    content_id = keys.item_named(item)

    async def tell(bus: Bus) -> Story | None:
        stops = partial(brake.brakes, bus)
        trace = Trace(Register(bus), Ledger(bus), time.time, Book(bus), stops)
        story = await trace.story(content_id)
        return with_letters(content_id, story, await letters_about(bus, content_id))

    story = on_bus(tell)
    if story is None:
        complain([fault("content_id", "item_unknown", value=content_id)])
        raise typer.Exit(INVALID)
    if as_json:
        print_json(story)
    else:
        print_story(story)


def print_story(story: Story) -> None:
    typer.echo(f"{story.content_id}, revision {story.revision}: {story.state}")
    counts = {name: one.model_dump(exclude={"complete"}) for name, one in story.channels.items()}
    shown = [
        field
        for field in Count.model_fields
        if field in ALWAYS or any(one.get(field) for one in counts.values())
    ]
    print_table(
        ("channel", *shown, "complete"),
        [
            (name, *(one.get(field, 0) for field in shown), story.channels[name].complete)
            for name, one in counts.items()
        ],
    )
    print_table(
        ("when (UTC)", "what", "channel", "detail"),
        [
            (f"{one.at:%Y-%m-%d %H:%M:%S}", one.event, one.channel or "", one.detail)
            for one in story.timeline
        ],
    )


def withdraw(content_id: ContentId, reason: Reason, as_json: Json = False) -> None:
    """Take an item back on every channel: the portal at once, the others in their order."""

    async def order(bus: Bus) -> dict[str, str]:
        item = await Register(bus).item(content_id)
        if item is None:
            raise Invalid(fault("content_id", "item_unknown", value=content_id))
        event = CloudEvent(
            specversion="1.0",
            id=f"{content_id}.withdrawn.{uuid.uuid4().hex}",
            source=f"/units/{item.unit}",
            type=events.WITHDRAWN,
            subject=content_id,
            time=datetime.now(UTC),
            data={"content_id": content_id, "reason": reason},
        )
        words = vocabulary(read(LoaSettings))
        answer = await Publisher(bus, item.unit, vocabulary=words).publish(event)
        return {"event_id": answer.event_id, "content_id": content_id}

    answer = on_bus(order)
    if as_json:
        print_json(answer)
    else:
        typer.echo(f"{content_id}: withdrawal accepted; `loa trace {content_id}` shows it go out")
