"""Random histories of a small ministry on a real bus, with followers of facts that die.

All is done by Loa's own code, from the event to the receipt; only providers and readers' mailboxes
are played.
"""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from pathlib import Path
from random import Random
from typing import Any

from channels.base import Outcome, Recipient, Verdict
from consumers.audit.signed import signing_key
from consumers.case_notices.recipients import CaseNotices
from consumers.dead_letters.letter import MessageOrigin
from consumers.dead_letters.store import DeadLetterStore
from consumers.editorial.log import EditorialLog
from consumers.email.bounce_monitor import BounceMonitor
from consumers.email.bounces import BounceHandler
from consumers.email.receipts import ReturnedMail
from consumers.email.row_lookup import RowLookup
from consumers.facts.all_sources import PeopleBuckets, fact_sources
from consumers.facts.days import last_day
from consumers.facts.follow import FactFollower
from consumers.facts.store import FactStore
from consumers.feedback.handler import DeliveryReceipt, FeedbackHandler
from consumers.key_file import KeyFile
from consumers.ledger.entry import notice_entry
from consumers.ledger.wakeups import Waker, WakeUp
from consumers.operations.old_deliveries import OldDeliveries
from consumers.recipients import Contact
from consumers.reporting.trace import TraceReader
from consumers.runtime.errors import RetryLater
from consumers.suppression.store import SuppressionStore
from contracts import envelope, keys, subjects
from contracts.base.times import utc_now
from contracts.cloudevent import CloudEvent
from contracts.delivery import BatchKey, ChannelName, PlanKey
from contracts.errors import ContractError
from contracts.events import kind_of
from contracts.facts import FACT_POSITIONS_KEY
from contracts.subscriptions.reaction import Reaction
from contracts.subscriptions.subscriber import Consent, Subscriber
from producers.bus import Bus
from tests.deep.reports.ledger_recount import Notes, Press, Recount, Row, Told, vietnam_day
from tests.support.crashing_bus import SimulatedCrash, crash_at, crashing_bus
from tests.support.events import UNIT, corrected, register_unit, submitted, withdrawn
from tests.support.pipeline_harness import PipelineHarness, RecordingChannel
from tests.support.scripted_channel import StaticReaders, reader_ids
from tests.support.server_clock import ServerClock

EMAIL = ChannelName.EMAIL
HOUR_S, DAY_S = 3600.0, 86400.0
READERS = 12
STEPS = 40
_PASSES = 200
"""Of retention, most of which die."""
_REPORTABLE_S = 29 * DAY_S
"""Mail that left earlier comes back too late to count."""
_KEY = signing_key(KeyFile(b"k" * 32))
_ANSWERS = (*(Verdict.DELIVERED,) * 8, Verdict.FAILED, Verdict.DEFERRED, Verdict.DOUBT)
_FOUND_OUT: Mapping[ChannelName, Sequence[Verdict]] = {
    ChannelName.EMAIL: (Verdict.RESEND,),
    ChannelName.PORTAL: (Verdict.DELIVERED, Verdict.ABSENT),
    ChannelName.ZALO: (Verdict.DELIVERED, Verdict.ABSENT, Verdict.UNKNOWN),
}
_NOTICE_LETTERS = {"d": "delivered", "x": "failed", "k": "unknown"}


@dataclass
class ChancyProvider(RecordingChannel):
    """Answers by chance, and notes what has arrived, and where its return path leads."""

    chance: Random = field(default_factory=Random)
    notes: Notes = field(default_factory=Notes)
    places: dict[tuple[str, str], str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.answer = lambda _: Outcome(self.chance.choice(_ANSWERS), "said by chance")
        self.known = lambda _: Outcome(self.chance.choice(_FOUND_OUT[self.name]))

    def answer_row(self, rendered: str, row: Recipient, expired: Any) -> Any:
        self.places[self._place(rendered, row)] = row.row_ref
        return self._noted(rendered, row, super().answer_row(rendered, row, expired))

    async def resolve(self, rendered: str, rows: Sequence[Recipient]) -> list[Outcome]:
        said = await super().resolve(rendered, rows)
        return [self._noted(rendered, *one) for one in zip(rows, said, strict=True)]

    def _noted(self, rendered: str, row: Recipient, said: Outcome) -> Outcome:
        if said.verdict is Verdict.DELIVERED:
            self.notes.arrived.add(self._place(rendered, row))
        return said

    def _place(self, rendered: str, row: Recipient) -> tuple[str, str]:
        return f"{self.name}.{rendered}", row.id


@dataclass
class Mailboxes(StaticReaders):
    """Readers whose addresses the suppression list may name."""

    suppressed: dict[str, str] = field(default_factory=dict)

    def lookup(self, ids: Sequence[str]) -> dict[str, Contact]:
        found = super().lookup(ids)
        reason = self.suppressed.get
        return {id: one._replace(suppression_reason=reason(id, "")) for id, one in found.items()}


@dataclass
class Item:
    """An item's last revision, and whether it has been withdrawn."""

    id: str
    revision: int = 1
    is_withdrawn: bool = False
    is_pending: bool = True


class LedgerHistory:
    """Random events of a history, and the notes of them."""

    def __init__(self, bus: Bus, folder: Path, chance: Random, clock: ServerClock) -> None:
        self.bus, self.chance, self.clock = bus, chance, clock
        self.notes = Notes()
        self.pipeline = PipelineHarness(bus, folder, reader_ids(READERS), clock)
        self.readers = Mailboxes(reader_ids(READERS))
        for service in self.pipeline.services.values():
            window = service.provider.window
            service.provider = ChancyProvider(
                name=service.name, window=window, chance=chance, notes=self.notes
            )
            service.worker.channel = service.provider
        self.mail = self.pipeline.services[EMAIL]
        self.mail.worker.contact_lookup = self.readers
        self.items: list[Item] = []
        self.people: dict[str, Subscriber] = {}
        self.numbers: defaultdict[str, int] = defaultdict(int)
        self.recount = Recount(bus, self.notes, vietnam_day(clock()))
        self.has_late_news = False
        """Whether a fact that is there has to change at the next round, before retention."""
        self.acts_done = 0
        self.counted_events: list[tuple[float, int]] = []
        self.process = self.new_process()
        self._wire_returns()

    def _wire_returns(self) -> None:
        self.suppressions = SuppressionStore(self.bus, b"s" * 32)
        self.feedback = FeedbackHandler(self.mail.ledger, clock=self.clock)
        notices = CaseNotices(self.bus, self.mail.ledger, Waker(self.bus))
        self.bounces = BounceHandler(
            self.bus,
            RowLookup(self.bus, self.mail.ledger, notices.find_record),
            self.suppressions,
            BounceMonitor(self.bus, self.mail.ledger, self.clock),
            self.feedback.confirm_sent,
            self.clock,
        )
        self.feedback.on_mail_receipt = self.bounces.on_receipt

    def new_process(self, bus: Any = None) -> FactFollower:
        """A follower of facts that has just started."""
        store = FactStore(bus or self.bus)
        names = (subjects.SUBSCRIBERS.name, subjects.FOLLOWERS.name)
        people = PeopleBuckets(*map(store.bus.bucket, names))
        sources = fact_sources(store, EditorialLog(store.bus), self.clock, None, people)
        return FactFollower(store, sources, self.clock)

    async def begin(self) -> None:
        await register_unit(self.bus)
        await self.publish()

    async def play(self) -> None:
        """Let *STEPS* things happen by chance, then what every history has to have."""
        await self.begin()
        acts, weights = zip(*self._acts().items(), strict=True)
        for _ in range(STEPS):
            await self.chance.choices(acts, weights)[0]()
        await self._end()

    async def _end(self) -> None:
        """News of a day that two rounds have read, two deaths, and all under way comes to its end.

        Late news, and what is erased when it has been counted, follow.
        """
        begun = (self.start_again, self.start_again, self.press, self.refuse, self.publish)
        for act in (*begun, self._store_letter_again):
            await act()
        for point in ("facts.decided", "facts.stored"):
            with crash_at(point):
                await self.new_process().follow()
        self.process = self.new_process()
        for item in self.items:
            await self._deliver(item)
        self.clock.advance(DAY_S)
        for act in (self.follow, self.bounce, self.erase, self.follow):
            await act()

    def _acts(self) -> Mapping[Callable[[], Awaitable[None]], int]:
        return {
            self.publish: 4, self.correct: 3, self.withdraw: 1, self.refuse: 1,
            self.deliver_some: 3, self.deliver: 5,
            self.bounce: 4, self.complain: 1, self.receipt: 3,
            self.press: 4, self.end_notice: 2, self.join: 2, self.leave: 1, self.erase: 2,
            self.pass_hours: 4, self.pass_days: 2,
            self.follow: 4, self.start_again: 2, self.follow_twice: 1, self.die: 5,
            self.restore: 1, self.clean: 2,
        }  # fmt: skip

    # --- items

    async def _send(self, event: CloudEvent) -> bool:
        """One event by way of CONTENT; False: intake refused it, and it is a dead letter."""
        kind = kind_of(event.type)
        subject, body = subjects.content(UNIT, kind), envelope.to_structured(event)
        headers = {"Content-Type": envelope.CONTENT_TYPE}
        ack = await self.bus.publish(subject, body, headers=headers)
        told = Told(vietnam_day(self.clock()), UNIT, f"content.{kind}")
        self.notes.events[told] += 1
        self.counted_events.append((self.clock(), ack.seq))
        try:
            await self.pipeline.intake.handle(event, UNIT, kind, seq=ack.seq)
        except ContractError as refused:
            origin = MessageOrigin(subject=subject, stream=subjects.CONTENT.name, seq=ack.seq)
            await DeadLetterStore(self.bus).bury("intake", origin, body, refused.errors)
            if self.chance.random() < 0.5:
                await self._store_letter_again()
            self.notes.refusals[told] += 1
            return False
        await self._carry_out_acts()
        return True

    async def _store_letter_again(self) -> None:
        """As after a crash before its acknowledgement, when the server has forgotten its id."""
        letter = await self.bus.last_message(subjects.DEAD.name, ">")
        assert letter is not None
        await self.bus.publish(letter.subject, letter.data)

    async def _carry_out_acts(self) -> None:
        """Hand intake what EDITORIAL has got, as its second consumer does."""
        async for message in self.bus.scan(subjects.EDITORIAL.name, start=self.acts_done + 1):
            await self.pipeline.intake.on_act(message)
            self.acts_done = message.seq

    async def publish(self) -> None:
        item = Item(f"tin-{len(self.items)}")
        assert await self._send(submitted(item.id))
        self.items.append(item)
        self.notes.texts.add((item.id, 1))

    def _some_item(self) -> Item | None:
        left = [item for item in self.items if not item.is_withdrawn]
        return self.chance.choice(left) if left else None

    async def correct(self) -> None:
        if item := self._some_item():
            item.revision, item.is_pending = item.revision + 1, True
            assert await self._send(corrected(item.id, item.revision, title=f"Tin {item.revision}"))
            self.notes.texts.add((item.id, item.revision))

    async def withdraw(self) -> None:
        if item := self._some_item():
            item.is_withdrawn = item.is_pending = True
            assert await self._send(withdrawn(item.id))

    async def refuse(self) -> None:
        """An event that intake can't accept."""
        self.numbers["refused"] += 1
        event = corrected(f"khong-co-{self.numbers['refused']}", 2)
        assert not await self._send(event)

    async def deliver_some(self) -> None:
        """Plan what waits, and wake each batch once: rows stay open."""
        for item in [one for one in self.items if one.is_pending]:
            for released in await self.pipeline.released(item.id):
                for service in self.pipeline.services.values():
                    with suppress(RetryLater):
                        await service.planner.on_publication(released)
                        plan = PlanKey(service.name, item.id, released.publication.revision)
                        await self._wake(service, plan, released.publication.lane)

    async def _wake(self, service: Any, plan: PlanKey, lane: Any) -> None:
        held = await service.ledger.plan(plan)
        for number in range(held.value.stored_count if held else 0):
            wake_up = WakeUp(batch=str(BatchKey(*plan, number)), lane=lane)
            await service.worker.on_wake_up(wake_up)

    async def deliver(self) -> None:
        pending = [item for item in self.items if item.is_pending]
        if pending:
            await self._deliver(self.chance.choice(pending))

    async def _deliver(self, item: Item) -> None:
        await self.pipeline.deliver(item.id)
        item.is_pending = False

    # --- what comes back

    async def bounce(self) -> None:
        if row := await self._returnable_row():
            code = self.chance.choice(("5.1.1", "4.2.2", "5.7.1"))
            await self._return(row, "bounce", code)
            self.notes.bounced.add((row.plan, row.recipient))

    async def complain(self) -> None:
        if row := await self._returnable_row():
            await self._return(row, "complaint", "")
            self.notes.complained.add((row.plan, row.recipient))

    async def _returnable_row(self) -> Row | None:
        """A mail that arrived, and whose row retention has not removed."""
        await self.recount.learn()
        since = self.clock() - _REPORTABLE_S
        rows = [row for row in self.recount.rows("dD") if row.plan.startswith(EMAIL)]
        young = [row for row in rows if row.closed_at > since]
        kept = [row for row in young if await self._is_kept(row)]
        return self.chance.choice(kept) if kept else None

    async def _is_kept(self, row: Row) -> bool:
        held = await self.mail.ledger.plan(PlanKey.parse(row.plan))
        return bool(held and not held.value.removed)

    async def _return(self, row: Row, returned: Any, code: str) -> None:
        """The mailbox of *row* says it once, or twice."""
        seal = self.suppressions.hash_address(f"{row.recipient}@example.com")
        place = self.mail.provider.places[row.plan, row.recipient]
        receipt = ReturnedMail(
            returned=returned, at=utc_now(self.clock), place=place, code=code, seals=(seal,)
        )
        for _ in range(self.chance.choice((1, 1, 2))):
            await self.feedback.on_receipt(receipt)
        self.has_late_news |= self.recount.plans[row.plan].measured
        await self._learn_suppressed(row.recipient)

    async def _learn_suppressed(self, reader: str) -> None:
        """Let the workers know, as their copy of the list does within seconds."""
        key = self.suppressions.key_of_address(EMAIL, f"{reader}@example.com")
        found = await self.suppressions.find(key)
        self.readers.suppressed[reader] = found.reason if found else ""

    async def receipt(self) -> None:
        """Evidence about a row that ended in doubt."""
        await self.recount.learn()
        rows = [row for row in self.recount.rows("kKXUEWV") if await self._is_kept(row)]
        if not rows:
            return
        row = self.chance.choice(rows)
        channel, content_id, revision = row.plan.split(".")
        receipt = DeliveryReceipt(
            channel=channel, content_id=content_id, revision=revision, recipient=row.recipient
        )
        await self.feedback.on_receipt(receipt)
        self.notes.arrived.add((row.plan, row.recipient))
        self.has_late_news |= self.recount.plans[row.plan].measured

    # --- people

    async def press(self) -> None:
        item, channel = self.chance.choice(self.items).id, self.chance.choice(("portal", "email"))
        for pressed in self.chance.choices([*Reaction], k=self.chance.randint(1, 3)):
            await self.bus.publish(subjects.reaction(channel, item, pressed), b"")
            self.notes.opinions[Press(vietnam_day(self.clock()), item, channel, pressed)] += 1

    async def end_notice(self) -> None:
        """A notice about a step of a dossier ends; one that is removed later stays counted."""
        self.numbers["notice"] += 1
        number, letter = self.numbers["notice"], self.chance.choice([*_NOTICE_LETTERS])
        batch = BatchKey(EMAIL, keys.case_content_id(f"G09-{number}"), 1, 0)
        entry = notice_entry(number, "e", self.clock())
        ended = replace(entry, rows=letter.encode(), closed_at=self.clock())
        await self.mail.ledger.create_notice(batch, ended)
        told = Told(vietnam_day(self.clock()), "email.case", _NOTICE_LETTERS[letter])
        self.notes.notices[told] += 1

    async def join(self) -> None:
        self.numbers["person"] += 1
        id, at = f"p{self.numbers['person']}", utc_now(self.clock)
        person = Subscriber(id=id, email=f"{id}@example.com")
        await self._keep(person.with_consent(Consent(version="1", at=at), "page"))
        self.notes.came[vietnam_day(self.clock())] += 1

    async def leave(self) -> None:
        active = [one for one in self.people.values() if one.active]
        if active:
            way = self.chance.choice(("page", "mail"))
            person = self.chance.choice(active)
            await self._keep(person.after_leaving(utc_now(self.clock), way))
            self.notes.left[vietnam_day(self.clock()), way] += 1

    async def _keep(self, person: Subscriber) -> None:
        self.people[person.id] = person
        data = person.model_dump_json().encode()
        await self.bus.bucket(subjects.SUBSCRIBERS.name).put(f"s.{person.id}", data)

    async def erase(self) -> None:
        """Erase what was counted: a person who left, and an event of a day that is over."""
        over = max(self.recount.followed, default=self.recount.first - timedelta(days=1))
        for id, person in list(self.people.items()):
            if person.left_at and vietnam_day(person.left_at.timestamp()) <= over:
                await self.bus.bucket(subjects.SUBSCRIBERS.name).purge(f"s.{id}")
                del self.people[id]
        counted = [one for one in self.counted_events if vietnam_day(one[0]) <= over]
        if counted:
            erased = self.chance.choice(counted)
            await self.bus.erase_message(subjects.CONTENT.name, erased[1])
            self.counted_events.remove(erased)

    # --- time, and followers

    async def pass_hours(self) -> None:
        self.clock.advance(self.chance.choice((0.5, 3, 9)) * HOUR_S)

    async def pass_days(self) -> None:
        self.clock.advance(self.chance.choice((1, 1, 2, 5)) * DAY_S)

    async def follow(self) -> None:
        """A round of the process that has been running."""
        await self._round(self.process)

    async def _round(self, process: FactFollower) -> None:
        await process.follow()
        assert len(process.counts) == len(process.sources), "every source was read"
        await self.recount.note_round(last_day(self.clock))
        self.has_late_news = False

    async def start_again(self) -> None:
        self.process = self.new_process()
        await self.follow()

    async def follow_twice(self) -> None:
        """Two processes at once."""
        await asyncio.gather(self.process.follow(), self.new_process().follow())
        await self.follow()

    async def die(self) -> None:
        """A process dies at a call of the bus, or just behind it; the next one starts later."""
        calls, after = self.chance.randint(1, 50), self.chance.random() < 0.5
        with suppress(SimulatedCrash):
            await self.new_process(crashing_bus(self.bus, calls, after=after)).follow()
        self.process = self.new_process()

    async def restore(self) -> None:
        """The positions are lost, as after a restore."""
        await self.bus.bucket(subjects.CONTROL.name).purge(FACT_POSITIONS_KEY)
        self.process = self.new_process()

    async def clean(self, days: float = 3.0) -> None:
        """Retention removes rows of more than some days, unless it dies; the next pass goes on.

        It removes no sooner than years later, so what is known late is a fact by then.
        """
        uncounted = {told.day for told in self.notes.notices} - self._counted_days()
        if self.has_late_news or uncounted:
            await self.follow()
        await self.recount.learn()
        calls = self.chance.choice((5, 20, 1_000))
        bus = crashing_bus(self.bus, calls, after=True)
        count_plan = TraceReader(self.bus, self.clock).channel_counts
        rule = OldDeliveries(bus, _KEY, count_plan, self.clock)
        with suppress(SimulatedCrash):
            before = utc_now(self.clock) - timedelta(days=days)
            for due in [one async for one in rule.due(before)]:
                await due.remove()

    def _counted_days(self) -> set[date]:
        """The days of notices that a round has counted."""
        over = max(self.recount.followed, default=self.recount.first - timedelta(days=1))
        return {told.day for told in self.notes.notices if told.day <= over}

    async def clean_all(self) -> None:
        """Years later nothing of the mails is left in the ledger."""
        self.clock.advance(10 * DAY_S)
        for _ in range(_PASSES):
            if not await self.mail.ledger.bucket.keys(f"rows.{EMAIL}."):
                return
            await self.clean()
        raise AssertionError("retention leaves rows")
