"""A ministry that mails digests: real bus, ledger, planner and worker, and a virtual clock."""

from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from channels.base import Content, Deadline, Outcome, Recipient, Verdict
from consumers import items
from consumers.addresses import Contact
from consumers.audience import Subscribers
from consumers.check.books import Books
from consumers.check.released import Released as Released_
from consumers.digests.book import Book
from consumers.digests.calendar import Calendar
from consumers.digests.cut import Cutter
from consumers.digests.holdings import Holdings
from consumers.digests.readers import DigestReaders
from consumers.digests.renew import Renewal
from consumers.digests.service import Digests
from consumers.directory.audience import Tastes
from consumers.directory.follow import person
from consumers.directory.rhythm import Gathering, Rhythm
from consumers.directory.store import Store
from consumers.dispatch import Dispatch, Released
from consumers.fence import Fence
from consumers.items import Card, Item, Position
from consumers.lanes import Gate
from consumers.ledger import codec
from consumers.ledger.store import Ledger
from consumers.register import Register
from consumers.release import Release
from consumers.settle import Later
from consumers.wake import Waker, WakeUp
from contracts import publication as publications
from contracts import subjects
from contracts.delivery import BatchKey, ChannelName, PlanKey
from contracts.digest import Digest
from contracts.publication import Publication
from contracts.subscriber import Subscriber
from producers.bus import Bus, Change
from tests.builders import a_publication
from tests.delivery_house import House
from tests.fakes import Clock, Provider

EMAIL = ChannelName.EMAIL
DAY_S = 86400.0
FRIDAY = datetime(2027, 1, 15, 8, 0, tzinfo=UTC).timestamp()  # 15:00 in Vietnam
SATURDAY = PlanKey(EMAIL, "digest-daily-2027-01-16", 1)
OTHER = "viec-lam"
BUSY = Outcome(Verdict.DEFERRED, "451")


class Folk:
    """Readers in a directory of their own."""

    def __init__(self, path, clock) -> None:
        self.store, self.clock, self.seq = Store(path), clock, 0
        self.tastes = Tastes(self.store)
        self.people: dict[str, Subscriber] = {}

    def settle(self, id: str, **wishes: Any) -> None:
        self.put(Subscriber(id=id, email=f"{id}@example.com", **wishes))

    def put(self, one: Subscriber) -> None:
        self.people[one.id], self.seq = one, self.seq + 1
        data = one.model_dump_json().encode()
        self.store.apply([person(Change(f"s.{one.id}", data, self.seq))], self.seq)

    def tell(self, id: str, frequency: str) -> None:
        """From now on in another rhythm."""
        at = datetime.fromtimestamp(self.clock(), UTC)
        self.put(self.people[id].told(frequency, at))

    async def ready(self) -> None:
        """They are always up to date."""

    def count(self, publication: Publication) -> int:
        return self.tastes.count(publication)

    def ids_after(self, publication: Publication, last: str, limit: int) -> list[str]:
        return self.tastes.ids_after(publication, last, limit)

    def gathered(self, gathering: Gathering) -> Rhythm:
        return Rhythm(self.store, gathering)

    def lookup(self, ids) -> dict[str, Contact]:
        return self.store.contacts(ids, self.clock())


@dataclass
class Postman(Provider):
    """Notes who got which texts in which mail, and what was known of newer ones by then."""

    got: dict[str, list[tuple[str, str, int, bool]]] = field(
        default_factory=lambda: defaultdict(list)
    )
    had: dict[tuple[str, str], tuple[str, ...]] = field(default_factory=dict)
    standing: dict[str, int] = field(default_factory=dict)
    done: set[str] = field(default_factory=set)
    outdated: list[tuple[str, str, int]] = field(default_factory=list)

    def render(self, content: Content) -> Any:
        return content

    def one(self, rendered: Any, row: Recipient, expired: Deadline) -> Outcome:
        if expired():
            return Outcome(Verdict.UNSENT)
        said = self.answer(row)
        if said.verdict is Verdict.DELIVERED:
            for text in chosen(rendered, row.picks):
                self.note(rendered, text, row)
        return said

    def note(self, rendered: Any, text: Publication, row: Recipient) -> None:
        mail = rendered.key if isinstance(rendered, Digest) else text.key
        self.had[row.id, mail] = tuple(f"{one.content_id}.{one.revision}" for one in row.had)
        self.got[row.id].append((mail, text.content_id, text.revision, row.correction))
        if text.revision < self.standing.get(text.content_id, 0):
            self.outdated.append((row.id, mail, text.revision))

    def planned(self, one: Publication) -> None:
        """From now on nobody may get an older text of it."""
        self.done.add(one.key)
        self.standing[one.content_id] = max(one.revision, self.standing.get(one.content_id, 0))

    def is_planned(self, released: Released) -> bool:
        return released.publication.key in self.done

    def items(self, id: str) -> list[tuple[str, int]]:
        """What a reader got, in order."""
        return [(item, revision) for _, item, revision, _ in self.got[id]]

    def mails(self, id: str) -> list[str]:
        return list(dict.fromkeys(mail for mail, *_ in self.got[id]))


def chosen(rendered: Any, picks: int) -> list[Publication]:
    if not isinstance(rendered, Digest):
        return [rendered]
    assert picks, "nobody gets an empty mail"
    return [text for number, text in rendered.texts.items() if picks >> number & 1]


class Press(House):
    """One channel with digests, wired as the composition root does."""

    def __init__(self, bus: Bus, folder, now: float = FRIDAY) -> None:
        clock = Clock(now)
        self.postman, self.start = Postman(), 1
        super().__init__(bus, folder, Folk(folder / "folk.sqlite", clock), self.postman)
        self.clock.now = now
        self.readers.clock = self.clock
        self.register = Register(bus)
        self.folk: Folk = self.readers
        self.planner, self.service = self.a_planner(bus), self.a_service(bus)

    def a_planner(self, bus) -> Dispatch:
        ledger, waker = Ledger(bus), Waker(bus)
        fence, register = Fence(ledger, waker, self.clock), Register(bus)
        return Dispatch(
            EMAIL, ledger, waker, fence, Release(bus, register), Subscribers(self.readers), Gate(3),
            digests=Holdings(Book(bus), fence), clock=self.clock,
        )  # fmt: skip

    def a_service(self, bus) -> Digests:
        ledger, waker, book, register = Ledger(bus), Waker(bus), Book(bus), Register(bus)
        return Digests(
            ledger, waker, Fence(ledger, waker, self.clock), book,
            Cutter(bus, book, register, Calendar(), self.clock),
            Renewal(bus, register, self.clock),
            DigestReaders(bus, ledger, book, self.readers, self.clock), clock=self.clock,
        )  # fmt: skip

    def at(self) -> datetime:
        return datetime.fromtimestamp(self.clock(), UTC)

    async def release(self, content_id: str, revision: int = 1, **changes: Any) -> Released:
        """Register a position, then publish it, as `consumers.release` does."""
        at = self.at()
        times = {"first_released_at": at, "released_at": at}
        if revision > 1 and "action" not in changes:
            changes["action"] = "corrected"
        one = a_publication(content_id=content_id, revision=revision, **times, **changes)
        await self.enter(one)
        subject = subjects.publication(one.topic, one.content_id)
        ack = await self.bus.publish(subject, publications.encode(one))
        await self.placed(one, ack.seq)
        return Released(publication=one, seq=ack.seq)

    async def enter(self, one: Publication) -> None:
        def move(found: Item | None) -> Item:
            item = found or Item(unit=one.unit)
            if one.action == "withdrawn":
                return items.taken_back(item, one.revision, one.released_at)
            return items.release(item, one.revision, Card.of(one), one.released_at, one.not_before)

        await self.register.change_item(one.content_id, move)
        await self.placed(one, None)

    async def placed(self, one: Publication, seq: int | None) -> None:
        position = Position(
            event_id="e", hash="h", unit=one.unit, kind="submitted", state="released",
            at=one.released_at, not_before=one.not_before, seq=seq,
        )  # fmt: skip
        await self.register.change_position(one.content_id, one.revision, lambda _: position)

    async def dispatch(self, released: Released, planner: Dispatch | None = None) -> bool:
        """Whether the planner is done with it; the stream would deliver it again."""
        try:
            await (planner or self.planner).on_publication(released)
        except Later:
            return False
        self.postman.planned(released.publication)
        return True

    async def out(self, content_id: str, revision: int = 1, **changes: Any) -> Released:
        """Release a position and have it planned."""
        released = await self.release(content_id, revision, **changes)
        await self.insist(lambda: self.dispatch(released))
        return released

    async def insist(self, step) -> None:
        """Repeat *step*, and let what is due leave meanwhile."""
        for _ in range(20):
            if await step():
                return
            await self.deliver()
            self.clock.forward(5.0)
        raise AssertionError("never done")

    async def turn(self, service: Digests | None = None) -> bool:
        try:
            await (service or self.service).turn()
        except Later:
            return False
        return True

    async def cut(self, days: float = 1.0) -> None:
        """Let so much time pass, and see to what is due then."""
        self.clock.forward(days * DAY_S)
        await self.insist(self.turn)

    async def deliver(self) -> None:
        """Work on every batch that is open."""
        last, first_open = await self.ledger.bucket.last_seq(), None
        async for key, value in self.ledger.bucket.values("state.", start=self.start):
            if not codec.decode_state(value.data).closed:
                first_open = first_open or value.revision
                await self.visit(BatchKey.parse(key.removeprefix("state.")))
        self.start = first_open or last + 1

    async def visit(self, batch: BatchKey) -> None:
        try:
            await self.worker.on_wake_up(WakeUp(batch=str(batch), lane="bulk"))
        except Later:
            return

    async def violations(self) -> list[tuple[str, str]]:
        """What `loa check --deep` finds in the ledger."""
        books = Books(self.bus, Released_(self.bus), self.clock, deep=True)
        return [(one.rule, one.key) for one in await books.violations()]

    async def picks(self, plan: PlanKey) -> dict[str, int]:
        cursor = (await self.ledger.plan(plan)).value
        found: dict[str, int] = {}
        for number in range(cursor.count):
            found |= (await self.ledger.rows(BatchKey(*plan, number))).picks
        return found


def later(clock: Clock, **span: float) -> datetime:
    return datetime.fromtimestamp(clock(), UTC) + timedelta(**span)


@asynccontextmanager
async def opened(bus: Bus, folder) -> AsyncIterator[Press]:
    press = Press(bus, folder)
    await press.turn()  # the first window begins
    with closing(press.folk.store):
        yield press
