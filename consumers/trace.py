"""Where a content item is, per channel, and how it came there."""

from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from consumers.awaited import Awaited
from consumers.digests import story as gathered
from consumers.digests.book import Book
from consumers.faults import fault, texts
from consumers.items import NOT_ADMITTED, SUPERSEDED, Decision, Item, Position
from consumers.ledger.cursor import Cursor
from consumers.ledger.store import Ledger
from consumers.mail import story as mail
from consumers.mail.books import Books, Sum
from consumers.mail.brakes import Brake, Brakes
from consumers.notices import story as steps
from consumers.register import Register
from consumers.seen import Seen
from consumers.story import Count, Moment, State, Story
from contracts import keys
from contracts.delivery import OPEN, ChannelName, PlanKey, Status
from contracts.errors import WHOLE, FieldError, worded
from contracts.records import Dossier


@dataclass
class Trace:
    """Reads the register and the ledger; changes nothing.

    `names`: the story tells who decided and who withdrew. That is for the ministry's own eyes: the
    status URL, which units' programs read, does without.
    """

    register: Register
    ledger: Ledger
    clock: Callable[[], float]
    digests: Book | None = None
    brakes: Callable[[], Awaitable[Brakes]] | None = None
    seen: Seen | None = None
    names: bool = False

    async def story(self, content_id: str, step: int | None = None) -> Story | None:
        """The newest released position of an item, or the newest one at all; or one dossier's.

        *step*: only this one of a dossier's.
        """
        if keys.is_letter(content_id):
            return await steps.letter(self.ledger, content_id)
        if self.digests and keys.is_digest(content_id):
            return await gathered.digest(self.digests, self.ledger, content_id, self.channel)
        item = await self.register.item(content_id)
        if item and keys.is_case(content_id):
            dossier = Dossier.model_validate(item.model_dump())
            return await steps.story(self.ledger, content_id, dossier, step)
        return await self.of_item(content_id, item)

    async def of_item(self, content_id: str, item: Item | None) -> Story | None:
        """An item's story: its positions, its plans, and the digests that it stood in."""
        positions = {number: one async for number, one in self.positions(content_id)}
        if not (item or positions):
            return None
        item = item or Item(unit="")
        number = item.revision or max([*positions, *item.positions], default=0)
        moments: list[Moment] = []
        for key, record in sorted(positions.items()):
            moments += self.nameless(happened(key, record, await self.refusal(record)))
        state = self.state(item, positions.get(number))
        if state == "scheduled":
            moments.append(scheduled(number, positions[number], self.clock()))
        channels: dict[ChannelName, Count] = {}
        async for channel, count, past in self.channels(content_id, number, item):
            channels[channel] = count
            moments += past
        if self.digests:
            moments += [one async for one in gathered.moments(self.digests, content_id)]
        return Story(
            content_id=content_id,
            revision=number,
            state=state,
            channels=channels,
            timeline=sorted(moments, key=lambda moment: moment.at),
            earlier={one: told async for one, told in self.earlier(content_id, number, item)},
        )

    async def earlier(
        self, content_id: str, number: int, item: Item
    ) -> AsyncIterator[tuple[int, dict[ChannelName, Count]]]:
        """Who got which older revision, the latest first; digests have stories of their own."""
        for one in sorted(item.released, reverse=True):
            if one < number:
                found = self.channels(content_id, one, Item(unit=""))
                counts = {channel: count async for channel, count, _ in found}
                if counts:
                    yield one, counts

    def nameless(self, moments: Iterable[Moment]) -> Iterator[Moment]:
        """The moments without those who did it, unless whoever asks may know them."""
        for one in moments:
            yield one if self.names else one.model_copy(update={"by": ""})

    async def refusal(self, position: Position) -> Sequence[FieldError]:
        """Why a position was refused, if not by the desk, in both languages where that is known."""
        if position.code == SUPERSEDED:
            return (fault("data.revision", "superseded"),)
        if position.code == NOT_ADMITTED and self.seen:
            return await self.seen.refusal(position.event_id)
        return ()

    def state(self, item: Item, position: Position | None) -> State:
        """An item without a position is one whose first event is still on its way."""
        if item.state == "withdrawn":
            return "withdrawn"
        if position is None:
            return item.state or "received"
        if position.state == "released" and position.not_before:
            waits = position.not_before.timestamp() > self.clock()
            return "scheduled" if waits else "released"
        return position.state

    async def positions(self, content_id: str) -> AsyncIterator[tuple[int, Position]]:
        """Every position of an item, refused ones too."""
        async for key, value in self.register.bucket.values(f"{content_id}."):
            yield int(key.rpartition(".")[2]), Position.model_validate_json(value.data)

    async def channels(
        self, content_id: str, number: int, item: Item
    ) -> AsyncIterator[tuple[ChannelName, Count, list[Moment]]]:
        """The channels of one position, without those that were stopped before they began."""
        for channel in ChannelName:
            plan = PlanKey(channel, content_id, number)
            held = await self.ledger.plan(plan)
            if held is None and item.revision and channel in item.channels:
                yield channel, Count(), []
            elif held and not held.value.unbegun:
                count, past = await self.channel(plan, held.value)
                waits = Awaited(self.ledger, self.digests)
                told = await waits.moment(plan, held.value, sorted(item.released), self.clock())
                yield channel, count, [*past, told] if told else past

    async def channel(self, plan: PlanKey, cursor: Cursor) -> tuple[Count, list[Moment]]:
        """One plan's rows and moments."""
        statuses: Counter[Status] = Counter()
        waits: Counter[str] = Counter()
        copies, closed = 0, 0.0
        async for _, entry in self.ledger.entries(plan, cursor):
            statuses.update(entry.value.count())
            waits.update(entry.value.waits)
            copies += entry.value.copies
            closed = max(closed, entry.value.closed)
        back, brakes = await self.back(plan), await self.braked(plan)
        count = tally(cursor, statuses, copies)
        count = count.model_copy(update={"bounced": back.bounced, "complained": back.complained})
        past = planned(plan.channel, cursor, count, closed)
        past += [*mail.came_back(back), *mail.braked(plan.content_id, brakes)]
        return count, past + [self.waiting(plan.channel, *why) for why in waits.most_common(3)]

    async def back(self, plan: PlanKey) -> Sum:
        """What came back; of mail alone anything does."""
        if plan.channel is not ChannelName.EMAIL:
            return Sum()
        return await Books(self.ledger.bucket).sum(plan)

    async def braked(self, plan: PlanKey) -> Brake | None:
        """What the bounce brake says of it."""
        if self.brakes is None or plan.channel is not ChannelName.EMAIL:
            return None
        return (await self.brakes()).plans.get(str(plan))

    def waiting(self, channel: ChannelName, reason: str, rows: int) -> Moment:
        """What rows wait for, as it is now."""
        return moment(self.clock(), "waiting", channel, f"{rows} rows: {reason}")


def tally(cursor: Cursor, statuses: Counter[Status], copies: int) -> Count:
    """The public counts of a plan."""
    unfinished = any(statuses[status] for status in OPEN)
    return Count(
        **{status.value: statuses[status] for status in Status},
        expected=sum(statuses.values()) + cursor.missing,
        missing=cursor.missing,
        maybe_duplicate=copies,
        complete=bool(cursor.complete or cursor.halt) and not unfinished and not cursor.missing,
    )


def planned(channel: ChannelName, cursor: Cursor, count: Count, closed: float) -> list[Moment]:
    """A plan's own moments."""
    moments = [moment(cursor.created, "planning_started", channel)]
    if cursor.finished:
        moments.append(moment(cursor.finished, "planned", channel, f"{cursor.planned} recipients"))
    if count.complete:
        detail = f"{count.delivered} of {count.expected} delivered"
        moments.append(moment(closed or cursor.finished, "completed", channel, detail))
    return moments


def scheduled(number: int, position: Position, now: float) -> Moment:
    """Until when nothing leaves, as it is now."""
    at, until = datetime.fromtimestamp(now, UTC), position.not_before
    detail = f"revision {number}"
    if until:
        detail += f": not before {until.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
    return Moment(at=at, event="scheduled", detail=detail, until=until)


def moment(at: float, event: str, channel: ChannelName, detail: str = "") -> Moment:
    return Moment(at=datetime.fromtimestamp(at, UTC), event=event, channel=channel, detail=detail)


def happened(
    number: int, position: Position, refusal: Sequence[FieldError] = ()
) -> Iterator[Moment]:
    """The story of one position, as its record tells it; *refusal*: why, if nobody decided so."""
    label, said = f"revision {number}", position.decision
    sender = position.submitter or ""
    yield Moment(at=position.at, event="received", detail=f"{position.kind}, {label}", by=sender)
    if said:
        yield decided(label, said)
    if position.released_at and (position.state == "released" or position.kind == "withdrawn"):
        yield Moment(at=position.released_at, event="released", detail=label)
    if position.state == "refused" and (said is None or said.verdict == "approved"):
        at = said.at if said else position.at
        detail = f"{label}: {position.reason or position.code}"
        yield Moment(at=at, event="refused", detail=detail, errors=tuple(refusal))


def decided(label: str, said: Decision) -> Moment:
    """What the desk said, who did, and what the code means that it gave."""
    words = texts("rejections").get(said.code)
    meaning = (worded(WHOLE, words),) if words else ()
    code = " ".join([said.code, *(f"({one.message})" for one in meaning)])
    why = ", ".join(filter(None, (code, said.reason)))
    detail = f"{label}: {why}" if why else label
    return Moment(at=said.at, event=said.verdict, detail=detail, by=said.by, errors=meaning)
