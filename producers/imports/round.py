"""One visit to one feed: ask, read, plan, send what follows through the door, remember."""

import asyncio
from dataclasses import dataclass, field
from datetime import UTC, datetime

import structlog
from structlog.contextvars import bound_contextvars

from contracts import events, keys, subjects
from contracts.cloudevent import CloudEvent
from contracts.envelope import decode
from contracts.errors import ContractError, FieldError, Unavailable, fault
from contracts.vocabulary import Vocabulary
from producers.acceptance import Acceptance
from producers.admission import admit
from producers.bus import Bus, BusError, Message
from producers.gateway.guard import BURST, EVENTS_PER_MINUTE
from producers.gateway.limits import TokenBuckets
from producers.imports import after, document
from producers.imports.after import Taken
from producers.imports.document import Document, NotAFeed
from producers.imports.draft import Reading
from producers.imports.entry import Odd
from producers.imports.feed import Feed
from producers.imports.known import Known
from producers.imports.net import Unforeseen, net, told
from producers.imports.plan import plan
from producers.imports.sender import Sender
from producers.imports.site import Ask, Found, Hosts, Sleep, Unreached
from producers.imports.state import FeedState, States
from producers.registry import Clock, Member

log = structlog.get_logger()
LEASE_S = 300.0


@dataclass(frozen=True, slots=True)
class Wish:
    """What a person wants of a visit that they have asked for themselves."""

    release: bool = False
    """Send what is held, too."""


@dataclass(frozen=True, slots=True)
class Call:
    """One visit: whose feed it is, what is remembered of it, what is wished."""

    member: Member
    feed: Feed
    state: FeedState
    wish: Wish | None = None


@dataclass
class Importer:
    """Reads feeds of units. One per process: items of a unit are planned in turn."""

    bus: Bus
    vocabulary: Vocabulary
    clock: Clock
    ask: Ask
    hosts: Hosts
    sleep: Sleep = asyncio.sleep
    known: dict[str, Known] = field(default_factory=dict)
    turns: dict[str, asyncio.Lock] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.states = States(self.bus)
        self.sender = Sender(
            Acceptance(self.bus, self.vocabulary, self.clock),
            TokenBuckets(EVENTS_PER_MINUTE, BURST, self.clock),
            self.clock,
            self.sleep,
            self.catch_up,
        )

    async def visit(self, member: Member, feed: Feed, wish: Wish | None = None) -> FeedState | None:
        """Read *feed* now; the answer is what is remembered of it. None: somebody else is at it.

        Whatever goes wrong with it is in the answer. Raises BusError.
        """
        claimed = await self.states.claim(member.unit, feed, self.clock() + LEASE_S)
        if claimed is None:
            return None
        with bound_contextvars(unit=member.unit, feed=feed.feed_id):
            try:
                with net(BusError):
                    state = await self.visited(Call(member, feed, claimed.state, wish))
                    await self.states.swap(member.unit, feed, state, claimed.revision)
            except Unforeseen as odd:
                state = after.failed(claimed.state, feed, self.clock(), told(odd))
                await self.states.swap(member.unit, feed, state, claimed.revision)
        return state

    async def visited(self, call: Call) -> FeedState:
        feed, state = call.feed, call.state
        if unfit := setting_fault(call.member.unit, feed, self.vocabulary):
            return self.trouble(call, Unreached(unfit))
        try:
            found = await self.asked(call)
            if found.body is None:
                return after.unchanged(state, feed, self.clock(), found)
            taken = await self.take(call, found, await self.read(found))
        except Unreached as away:
            return self.trouble(call, away)
        except NotAFeed as wrong:
            return self.trouble(call, Unreached(wrong.error, feeds=wrong.feeds))
        except (Unavailable, BusError) as silence:
            log.warning("import_put_off", error=type(silence).__name__)
            return after.put_off(state, self.clock())
        report(taken, feed)
        return after.settled(state, feed, self.clock(), taken)

    async def asked(self, call: Call) -> Found:
        """What the site has; all of it where a person asks, or has to look again."""
        state, url = call.state, after.address(call.feed, call.state)
        whole = call.wish is not None or not state.read
        async with self.hosts.turn(url):
            return await self.ask(
                url, etag="" if whole else state.etag, modified="" if whole else state.modified
            )

    async def read(self, found: Found) -> Document:
        """Beside the loop: a large feed takes a while."""
        now = datetime.fromtimestamp(self.clock(), UTC)
        return await asyncio.to_thread(
            document.read, found.body or b"", found.url, found.charset, now
        )

    async def take(self, call: Call, found: Found, read: Document) -> Taken:
        """Do what follows from a reading. Raises Unavailable, BusError: then some of it is done."""
        member, feed = call.member, call.feed
        async with self.turns.setdefault(member.unit, asyncio.Lock()):
            reading = self.reading(call, read)
            known = await self.catch_up(member.unit)
            made = await asyncio.to_thread(plan, reading, known)  # texts are compared
            taken = Taken(found, made, read.title, read.ttl_s)
            for odd in read.odd:
                self.leave_out(call, taken, odd)
            for draft in made.drafts:
                taken.book(draft, await self.sender.send(member, feed, draft))
            return taken

    def leave_out(self, call: Call, taken: Taken, odd: Odd) -> None:
        """Book an entry that nobody can understand; the log is told once."""
        taken.leave_out(odd, datetime.fromtimestamp(self.clock(), UTC))
        if odd.key not in {one.key for one in call.state.refused}:
            log.warning("import_item_refused", fields=[odd.error.field], error=odd.kind)

    def reading(self, call: Call, read: Document) -> Reading:
        """What is planned by: what lies there, what is remembered, what a person wishes."""
        state, wish = call.state, call.wish
        return Reading(
            call.feed,
            read.entries,
            datetime.fromtimestamp(self.clock(), UTC),
            first=not state.read,
            aside=frozenset(state.aside),
            twins={one.key: one for one in state.twins},
            moved=state.moved,
            refused=frozenset() if wish else frozenset(one.key for one in state.refused),
            feeds=frozenset(one.feed_id for one in call.member.registration.feeds),
            released=wish is not None and wish.release,
        )

    async def catch_up(self, unit: str) -> Known:
        """What the log says of the unit's imported items, up to this moment."""
        known = await self.remembered(unit)
        subject = subjects.content(unit, "*")
        async for message in self.bus.scan(subjects.CONTENT.name, subject, known.seq + 1):
            event = decoded(message)
            if event and known.concerns(event) and await self.stands(event, known, message.subject):
                known.learn(event, message.time)
            known.seq = message.seq
        return known

    async def remembered(self, unit: str) -> Known:
        """What was known; nothing where intake has refused a text since that counted already.

        Then the log is read anew. Raises BusError.
        """
        known = self.known.setdefault(unit, Known(unit))
        for event_id, content_hash in known.doubted.items():
            if await self.verdict(event_id, content_hash) is False:
                known = self.known[unit] = Known(unit)
                break
        return known

    async def stands(self, event: CloudEvent, known: Known, subject: str) -> bool:
        """Whether intake takes an event of the log, or has taken it: anything else never was.

        What was taken in stands, whatever contract and vocabulary say by now: forgotten, it would
        go out twice. Nobody is asked about what the import says in its turn: intake takes that.
        Raises BusError.
        """
        if event.type not in events.BUS_DOOR:
            return False
        fits = admissible(event, known.unit, subject, self.vocabulary)
        if fits and known.in_turn(event):
            return True
        event_id = keys.event_id(known.unit, event.source, event.id)
        content_hash = keys.content_hash(event.type, event.data)
        verdict = await self.verdict(event_id, content_hash)
        counts = fits if verdict is None else verdict
        if counts and event.type != events.WITHDRAWN:
            known.doubted[event_id] = content_hash
        return counts

    async def verdict(self, event_id: str, content_hash: str) -> bool | None:
        """Whether nothing stands against an event; None where nobody has booked it yet.

        Intake may still refuse what is booked. Raises BusError.
        """
        record = await self.sender.acceptance.record(event_id)
        if record is None:
            return None
        return record.hash == content_hash and not record.refused

    def trouble(self, call: Call, away: Unreached) -> FeedState:
        state, error = call.state, away.error
        if away.over:
            log.error("import_stopped")
            return after.over(state, self.clock(), away)
        why = {"reason": error.message, "detail": away.detail}
        log.warning("import_failed", field=error.field, **why, failures=state.failures + 1)
        return after.failed(state, call.feed, self.clock(), away)


def decoded(message: Message) -> CloudEvent | None:
    """What a message of the log says; None for no event: intake has a dead letter of it."""
    try:
        return decode(None, message.headers, message.data)
    except ContractError:
        return None


def admissible(event: CloudEvent, unit: str, subject: str, vocabulary: Vocabulary) -> bool:
    """Whether the contract, as it is today, has anything against it."""
    try:
        return admit(event, unit, vocabulary).subject == subject
    except ContractError:
        return False


def report(taken: Taken, feed: Feed) -> None:
    """What a reading brought, in the log."""
    found = taken.found
    log.info("import_read", **{name: count for name, count in taken.made.counts.items() if count})
    if taken.made.held:
        log.warning("import_held", items=len(taken.made.held), most=feed.most)
    if found.moved_for_good and found.url != feed.url:
        log.info("import_moved")


def setting_fault(unit: str, feed: Feed, vocabulary: Vocabulary) -> FieldError | None:
    """What stands against importing anything: words that the vocabulary does not know any more."""
    if wrong := events.unit_fault("unit", unit, vocabulary):
        return wrong
    if not vocabulary.knows("topic", feed.topic):
        return fault("topic", "unknown_topic", value=feed.topic)
    if vocabulary.is_own(feed.topic):
        return fault("topic", "own_topic", value=feed.topic)
    for audience in feed.audiences:
        if not vocabulary.knows("audience", audience):
            return fault("audiences", "unknown_audience", value=audience)
    return None
