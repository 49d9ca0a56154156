"""One seed's run: the processes, what is done to them, and the calm in which all must end well."""

from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

from consumers.feedback.handler import DeliveryReceipt
from consumers.intake import items
from consumers.intake.items import Item, ItemSummary
from consumers.ledger import watermark
from contracts import publication as publications
from contracts import subjects
from contracts.delivery import ChannelName, PlanKey
from tests.deep.model.invariants import InvariantMonitor
from tests.deep.model.nemesis import Nemesis
from tests.deep.model.process import RECEIPTS, Process
from tests.deep.model.random_streams import RandomStream
from tests.deep.model.receivers import EffectKey, Receiver
from tests.deep.model.scenario import Position, Scenario, datetime_at
from tests.deep.model.simulated_bus import Server
from tests.deep.model.subscribers import SubscriberBucket
from tests.deep.model.virtual_loop import SKEW_S, ProcessState, VirtualLoop, virtual_clocks

DRAIN_S = 96 * 3600.0
STEPS = 60_000
LATE_S = 100.0
"""Span after the end of all, within which messages on their way have landed."""


class Simulation:
    """Everything that one seed moves."""

    def __init__(self, story: Scenario, seen: Counter[str]) -> None:
        self.story, self.seen = story, seen
        self.kinds = story.kinds
        self.loop = VirtualLoop()
        self.chances: dict[str, RandomStream] = {}
        self.server = Server(self.loop, self.chance("server"), seen)
        self.readers = SubscriberBucket(self.server.buckets[subjects.SUBSCRIBERS.name])
        self.monitor = InvariantMonitor(self.loop, self.readers, self.kinds, seen)
        self.server.buckets[subjects.LEDGER.name].watch = self.monitor.on_write
        self.server.buckets[subjects.CONTROL.name].watch = self.on_control
        self.receivers = {name: self.receiver(name) for name in self.kinds}
        self.items: dict[str, Item] = {}
        self.pages: dict[tuple[str, ChannelName], list[Any]] = {}
        self.processes: dict[str, Process] = {}
        self.incarnations = 0
        self.receipts = 0
        self.busy_until_s = max(position.stored_s for position in story.positions)
        self.proven: set[tuple[ChannelName, EffectKey]] = set()
        self.nemesis = Nemesis(self)

    def chance(self, name: str) -> RandomStream:
        return self.chances.setdefault(name, RandomStream(self.story.seed, name))

    def receiver(self, name: ChannelName) -> Receiver:
        return Receiver(
            self.kinds[name], self.loop, self.chance(f"receiver {name}"), self.seen,
            self.story.outcome_odds[name], self.on_effect,
        )  # fmt: skip

    # --- what happens

    def run(self) -> None:
        """The faults' time, then the calm; the verdict comes after."""
        with virtual_clocks(self.loop):
            self.set_up()
            self.loop.run(self.story.ends_s)
            self.nemesis.end()
            self.loop.run(self.story.ends_s + DRAIN_S, self.finished)
            self.loop.run(self.loop.now + LATE_S)

    def set_up(self) -> None:
        for at_s, id, here in self.story.readers:
            self.loop.later(at_s, self.readers.change, at_s, id, here)
        for position in self.story.positions:
            self.loop.later(position.decided_s, self.decide, position)
            self.loop.later(position.stored_s, self.release, position)
        for number in range(self.story.processes):
            self.start("AB"[number])
        self.nemesis.begin()

    def on_control(self, key: str, old: bytes | None, new: bytes | None) -> None:
        """Every process looks once a second, and sees a change then."""
        if key != watermark.WATERMARK_KEY:
            for process in self.processes.values():
                self.loop.later(self.chance("looks").between(0.001, 1.0), self.check, process)

    def check(self, process: Process) -> None:
        self.loop.call_soon(process.look, context=process.actor.context)

    def decide(self, position: Position) -> None:
        """Note it in the item's record, as intake or the desk does."""
        text, at = position.publication, datetime_at(position.decided_s)
        item = self.items.get(text.content_id, Item(unit=text.unit))
        if text.action == "withdrawn":
            item = items.release_withdrawal(item, text.revision, at)
        else:
            item = items.release(item, text.revision, ItemSummary.of(text), at, text.not_before)
        self.items[text.content_id] = item

    def item(self, content_id: str) -> Item:
        return self.items.get(content_id, Item(unit=""))

    def release(self, position: Position) -> None:
        publication = position.publication
        subject = subjects.publication(publication.topic, publication.content_id)
        durables = [subjects.dispatch(name) for name in self.kinds]
        self.server.release(subject, publications.encode(publication), durables)

    def start(self, place: str) -> None:
        """Start a process, or start it again."""
        self.incarnations += 1
        skew_s = self.chance("clocks").between(-SKEW_S, SKEW_S)
        actor = ProcessState(f"{place}#{self.incarnations}", skew_s)
        process = Process(self, actor, self.incarnations)
        self.processes[place] = process
        self.loop.spawn(actor, process.start())

    def on_effect(self, channel: ChannelName, key: EffectKey) -> None:
        """It arrived; a provider may say so later."""
        self.monitor.note(f"EFFECT {key}")
        chance = self.chance("receipts")
        if not chance.is_hit(self.story.outcome_odds[channel].receipts):
            return
        receipt = DeliveryReceipt(channel=channel, **key._asdict())
        body = receipt.model_dump_json().encode()
        self.receipts += 1
        self.proven.add((channel, key))
        delay_s = chance.duration(((0.01, 2.0), (2.0, 150.0)))
        queue = self.server.queue(RECEIPTS)
        self.later(delay_s, queue.put, self.receipts, body)

    def later(self, delay_s: float, callback: Callable[..., Any], *args: Any) -> None:
        """Run something of the world, before the run may count as finished."""
        self.loop.later(delay_s, callback, *args)
        self.busy_until_s = max(self.busy_until_s, self.loop.now + delay_s)

    def finished(self) -> bool:
        """In the calm: nothing is under way any more, or it never ends."""
        if self.loop.steps % 64 or self.loop.now <= self.busy_until_s:
            return False
        return self.loop.steps > STEPS or (self.server.idle() and self.all_closed())

    def all_closed(self) -> bool:
        return all(entry.closed_at for entry in self.monitor.entries.values())

    def plans(self, channel: ChannelName) -> Iterable[tuple[PlanKey, Position]]:
        """Every position as a plan of *channel*."""
        for position in self.story.positions:
            text = position.publication
            if text.revision in self.item(text.content_id).released:
                yield PlanKey(channel, text.content_id, text.revision), position
