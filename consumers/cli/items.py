"""Questions and orders about one content item: `loa trace`, `loa withdraw`."""

import time
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import partial
from typing import Annotated, Any, NamedTuple

import typer

from consumers import items
from consumers.app.settings import LoaSettings, read, vocabulary
from consumers.cli.answers import (
    INVALID,
    Json,
    complain,
    on_bus,
    print_json,
    print_said,
    print_table,
)
from consumers.cli.one_reader import tell_one
from consumers.cli.places import place, tell_place
from consumers.dead_letters.story import letters_about, with_letters
from consumers.digests.book import Book
from consumers.drafts import clerk
from consumers.faults import fault
from consumers.items import Item
from consumers.ledger.store import Ledger
from consumers.mail import brakes
from consumers.register import Register
from consumers.seen import Seen
from consumers.story import Count, Moment, Story
from consumers.trace import Trace
from consumers.waits import waits
from contracts import events, keys
from contracts.cloudevent import CloudEvent
from contracts.delivery import ChannelName
from contracts.errors import WHOLE, FieldError, Invalid
from producers.bus import Bus
from producers.publisher import Publisher

ContentId = Annotated[str, typer.Argument(help="The item's content_id.")]
ItemOrCase = Annotated[str, typer.Argument(help="A content_id, or the code of a dossier.")]
Reader = Annotated[
    str, typer.Option(metavar="ADDRESS", help="Only what became of it for this reader's mail.")
]
Reason = Annotated[str, typer.Option(help="Why, as the public will read it.")]
Title = Annotated[str, typer.Option(help="Read in place of the item's title, if that is the harm.")]
By = Annotated[
    str,
    typer.Option(
        "--by",
        envvar="USER",
        help="Who; no public page and no unit's answer shows it. Else $USER, if there is one.",
    ),
]
ALWAYS = ("expected", "delivered", "missing")


def trace(item: ItemOrCase, reader: Reader = "", as_json: Json = False) -> None:
    """Did it go out, to whom, why not: an item's counts per channel, and its timeline."""
    content_id = keys.item_named(item)
    if reader:
        tell_one(content_id, reader, as_json=as_json)
        return
    told = on_bus(partial(tell, content_id))
    if told is None:
        complain([fault("content_id", "item_unknown", value=item)])
        raise typer.Exit(INVALID)
    if as_json:
        print_json(told.plain())
    else:
        print_story(told.story)
        if told.address and told.standing:
            tell_place(told.standing, told.address)
        elif told.address:
            typer.echo(told.address)
        print_said(*told.waits)


class Told(NamedTuple):
    """An item's story, and why what is open of it waits, where a channel is the reason."""

    story: Story
    waits: list[FieldError]

    @property
    def address(self) -> str:
        """Where readers find it; empty when the portal never had it, and will not."""
        known = (self.story.channels, *self.story.earlier.values())
        portal = [one[ChannelName.PORTAL] for one in known if ChannelName.PORTAL in one]
        there = any(one.expected or not one.complete for one in portal)
        return place(self.story.content_id) if there else ""

    @property
    def standing(self) -> str:
        """How that address answers, where it is not simply with the item."""
        portal = self.story.channels.get(ChannelName.PORTAL)
        done = portal is None or portal.complete
        if self.story.state == "withdrawn":
            return "place_gone" if done else "place_goes"
        return "" if done or self.story.earlier else "place_to_be"

    def plain(self) -> dict[str, Any]:
        """The story, and what there is beyond it."""
        more = {"address": self.address, "waits": [dict(why) for why in self.waits]}
        told = {name: value for name, value in more.items() if value}
        return self.story.model_dump(mode="json") | told


async def tell(content_id: str, bus: Bus) -> Told | None:
    """None where nobody knows the item. Raises BusError."""
    stops = partial(brakes.standing, bus)
    read_from = (Register(bus), Ledger(bus), time.time, Book(bus))
    trace = Trace(*read_from, stops, Seen(bus), names=True)
    story = await trace.story(content_id)
    told = with_letters(content_id, story, await letters_about(bus, content_id))
    return Told(told, await waits(bus, told)) if told else None


def print_story(story: Story) -> None:
    known = f", revision {story.revision}" if story.revision else ""
    typer.echo(f"{story.content_id}{known}: {story.state}")
    rows = [
        (revision, name, one)
        for revision, channels in ((story.revision, story.channels), *story.earlier.items())
        for name, one in channels.items()
    ]
    shown = [
        field
        for field in Count.model_fields
        if field != "complete" and (field in ALWAYS or any(getattr(one, field) for *_, one in rows))
    ]
    print_table(
        ("revision", "channel", *shown, "complete"),
        [
            (revision or "", name, *(getattr(one, field) for field in shown), one.complete)
            for revision, name, one in rows
        ],
    )
    print_table(
        ("when (UTC)", "what", "channel", "detail"),
        [line for one in story.timeline for line in lines(one)],
    )


def lines(one: Moment) -> Iterator[tuple[str, str, str, str]]:
    """A moment as the timeline's table has it: who did it, and why in both languages."""
    by = f", by {one.by}" if one.by else ""
    yield f"{one.at:%Y-%m-%d %H:%M:%S}", one.event, one.channel or "", one.detail + by
    for wrong in one.errors:
        about = "" if wrong.field == WHOLE else f"{wrong.field}: "
        for said in (wrong.message, wrong.message_vi):
            if said not in one.detail:
                yield "", "", "", about + said


def withdraw(
    content_id: ContentId, reason: Reason, title: Title = "", by: By = "", as_json: Json = False
) -> None:
    """Take an item back on every channel: the portal at once, the others in their order."""

    answer = on_bus(lambda bus: take_back(bus, content_id, Wording(reason, title), by))
    if as_json:
        print_json(answer.plain())
    else:
        print_said(answer.said())


class Taken(NamedTuple):
    """What became of an order to withdraw: an event, or when it was done already."""

    content_id: str
    event_id: str = ""
    withdrawn_at: datetime | None = None
    reason: str = ""
    """What the public reads of the earlier one."""
    by: str = ""
    """Who ordered the earlier one, if that is known."""
    unseen: bool = False
    """Nothing of the item was out when the order was given."""

    def plain(self) -> dict[str, Any]:
        return {name: value for name, value in self._asdict().items() if value}

    def said(self) -> FieldError:
        if self.withdrawn_at is None:
            code = "withdrawal_unseen" if self.unseen else "withdrawal_accepted"
            return fault(self.content_id, code, value=self.content_id)
        at = f"{self.withdrawn_at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
        code = "withdrawn_already_by" if self.by else "withdrawn_already"
        return fault(self.content_id, code, at=at, who=self.by, reason=self.reason)


class Wording(NamedTuple):
    """What the public reads of a withdrawal: why, and a title in place of the item's own."""

    reason: str
    title: str = ""


async def take_back(bus: Bus, content_id: str, said: Wording, by: str = "") -> Taken:
    """Order an item's withdrawal, unless that is done. Raises Invalid, BusError."""
    who = clerk("by", by) if by else ""
    register = Register(bus)
    item = await register.item(content_id)
    if item is None:
        raise Invalid(fault("content_id", "item_unknown", value=content_id))
    if stands := await standing(register, content_id, item):
        return stands
    event = withdrawal(content_id, item.unit, said, who)
    words = vocabulary(read(LoaSettings))
    answer = await Publisher(bus, item.unit, vocabulary=words).publish(event)
    return Taken(content_id, answer.event_id, unseen=not items.in_sight(item, datetime.now(UTC)))


async def standing(register: Register, content_id: str, item: Item) -> Taken | None:
    """The withdrawal that stands; None while anything can still be seen or released."""
    if not item.barred or item.latest > item.barred:
        return None
    shown = item.state == "withdrawn"
    record = await register.position(content_id, item.revision if shown else item.barred)
    at = item.released[item.revision] if shown else record.at if record else None
    if at is None:
        return None
    why, who = (record.reason, record.submitter) if record else ("", None)
    return Taken(content_id, withdrawn_at=at, reason=why, by=who or "")


def withdrawal(content_id: str, unit: str, said: Wording, by: str = "") -> CloudEvent:
    words = {name: text for name, text in said._asdict().items() if text}
    return CloudEvent(
        specversion="1.0",
        id=f"{content_id}.withdrawn.{uuid.uuid4().hex}",
        source=f"/units/{unit}",
        type=events.WITHDRAWN,
        subject=content_id,
        time=datetime.now(UTC),
        data={"content_id": content_id, **words},
        extensions={events.SUBMITTER: by} if by else {},
    )
