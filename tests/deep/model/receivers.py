"""The receivers at the edge: what really arrived where, and the channels that lead there."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from channels.base import Deadline, Outcome, Recipient, Verdict
from channels.errors import Unreachable
from contracts.delivery import ChannelName
from contracts.publication import Publication
from tests.deep.model.random_streams import RandomStream
from tests.deep.model.receiver_kinds import ReceiverKind
from tests.deep.model.virtual_loop import ProcessState, VirtualLoop


class EffectKey(NamedTuple):
    """What must have its effect once."""

    content_id: str
    revision: int
    recipient: str


@dataclass
class OutcomeOdds:
    """How likely each answer is; what is left is a good one."""

    later: float = 0.0
    held: float = 0.0
    never: float = 0.0
    unwanted: float = 0.0
    cut_before: float = 0.0
    silent: float = 0.0  # nothing happened, and no answer
    silent_after: float = 0.0  # it arrived, and no answer
    silent_late: float = 0.0  # it arrives much later, and no answer
    away: float = 0.0
    slow_s: float = 0.05
    receipts: float = 0.0

    def healed(self) -> None:
        for name in ("later", "held", "never", "unwanted", "cut_before", "away"):
            setattr(self, name, 0.0)
        self.silent = self.silent_after = self.silent_late = 0.0
        self.slow_s = 0.05


@dataclass
class Receiver:
    """One channel's receiving side: the effects, with the moment of each."""

    kind: ReceiverKind
    loop: VirtualLoop
    chance: RandomStream
    seen: Counter[str]
    odds: OutcomeOdds
    on_effect: Any = None
    record: Any = None
    effects: dict[EffectKey, list[float]] = field(default_factory=dict)
    begun: dict[EffectKey, list[float]] = field(default_factory=dict)
    recorded: dict[EffectKey, float] = field(default_factory=dict)
    shown: dict[str, int] = field(default_factory=dict)
    refused: set[EffectKey] = field(default_factory=set)

    def apply_effect(self, key: EffectKey) -> None:
        """It is there; a receiver that knows the key shows it once."""
        known = self.effects.setdefault(key, [])
        if known and self.kind.detects_duplicates:
            return
        known.append(self.loop.now)
        self.record(f"EFFECT {key}")
        self.shown[key.content_id] = max(key.revision, self.shown.get(key.content_id, 0))
        if self.on_effect:
            self.on_effect(self.kind.channel, key)


FATES = ("later", "held", "never", "unwanted", "cut_before")
SILENCES = ("silent", "silent_after", "silent_late")


class SimulatedChannel:
    """The product's view of a receiver, from one process."""

    def __init__(self, receiver: Receiver, actor: ProcessState, world: Any) -> None:
        self.receiver = receiver
        self.actor = actor
        self.world = world
        kind = receiver.kind
        self.name: ChannelName = kind.channel
        self.connections, self.window = kind.connections, kind.window
        self.request_timeout_s, self.settle_s = kind.request_timeout_s, kind.settle_s
        self.chance, self.loop, self.moods = receiver.chance, receiver.loop, receiver.odds

    def render(self, publication: Publication) -> Publication:
        return publication

    async def close(self) -> None:
        """Nothing to let go of."""

    @asynccontextmanager
    async def session(self) -> AsyncIterator["SimulatedChannel"]:
        if self.chance.is_hit(self.moods.away):
            self.receiver.seen["a channel could not be reached"] += 1
            raise Unreachable("away", retry_after_s=self.chance.between(0.5, 20.0))
        yield self

    async def send(
        self, rendered: Publication, rows: Sequence[Recipient], expired: Deadline
    ) -> list[Outcome]:
        """One request per row; a broken connection leaves the rest unsent."""
        outcomes: list[Outcome] = []
        broken = False
        for row in rows:
            if broken:
                outcomes.append(Outcome(Verdict.UNSENT, "connection lost"))
                continue
            if wait := self.world.interrupt(self.actor, "before a send"):
                await wait
            said = await self.one(rendered, row, expired)
            outcomes.append(said)
            doubtful = said.verdict is Verdict.DOUBT
            broken = said.verdict is Verdict.UNSENT or (doubtful and self.chance.is_hit(0.5))
        return outcomes

    async def one(self, rendered: Publication, row: Recipient, expired: Deadline) -> Outcome:
        if expired():
            self.receiver.seen["the own deadline stopped a send"] += 1
            return Outcome(Verdict.UNSENT, "own deadline")
        key = EffectKey(rendered.content_id, rendered.revision, row.id)
        if refused := self.receiver.kind.refuses(self.receiver, key):
            return refused
        self.world.watch.on_send(self.actor, self.name, rendered, row)
        self.receiver.begun.setdefault(key, []).append(self.loop.now)
        self.receiver.recorded[key] = self.loop.now
        return await self.request(key)

    async def request(self, key: EffectKey) -> Outcome:
        fate = self.outcome()
        self.receiver.seen[f"a receiver's answer: {fate}"] += 1
        longest_s = min(self.moods.slow_s, 0.9 * self.request_timeout_s)
        took_s = self.chance.between(0.1, 1.0) * longest_s
        if fate == "ok" and self.receiver.kind.is_local:
            self.receiver.apply_effect(key)
        elif fate in ("ok", "silent_after"):
            self.loop.later(took_s * self.chance.random(), self.receiver.apply_effect, key)
        if fate == "silent_late":
            self.loop.later(self.late_s(), self.receiver.apply_effect, key)
        if wait := self.world.interrupt(self.actor, "after a send"):
            await wait
        if fate in SILENCES:
            patience_s = self.request_timeout_s * self.chance.choice((0.01, 1.0))
            await asyncio.sleep(patience_s)
            return Outcome(Verdict.DOUBT, fate)
        await asyncio.sleep(took_s)
        if fate in ("never", "unwanted"):
            self.receiver.refused.add(key)
        return self.answer(fate)

    def outcome(self) -> str:
        drawn = self.chance.random()
        fates = FATES + SILENCES if not self.receiver.kind.is_local else FATES
        for name in fates:
            drawn -= getattr(self.moods, name)
            if drawn < 0:
                return name
        return "ok"

    def late_s(self) -> float:
        """A late effect: within `settle_s`, of which 5 s belong to the clocks."""
        longest_s = self.settle_s - 5.5
        return self.chance.between(0.5 * longest_s, longest_s)

    def answer(self, fate: str) -> Outcome:
        after_s = self.chance.choice((None, None, 3.0, 20.0))
        away = self.name is ChannelName.EMAIL
        return {
            "ok": Outcome(Verdict.DELIVERED),
            "later": Outcome(Verdict.DEFERRED, "451", after_s),
            "held": Outcome(Verdict.HELD, "held", after_s or 10.0, policy_rejected=away),
            "never": Outcome(Verdict.FAILED, "550"),
            "unwanted": Outcome(Verdict.SUPPRESSED, "unwanted"),
            "cut_before": Outcome(Verdict.UNSENT, "cut", self.chance.choice((None, 2.0))),
        }[fate]

    async def resolve(self, rendered: Publication, rows: Sequence[Recipient]) -> list[Outcome]:
        """What the receiving side can tell of rows in doubt."""
        if wait := self.world.interrupt(self.actor, "a doubt is looked into"):
            await wait
        await asyncio.sleep(self.chance.between(0.001, self.moods.slow_s))
        keys = [EffectKey(rendered.content_id, rendered.revision, row.id) for row in rows]
        said = [self.receiver.kind.resolve(self.receiver, key) for key in keys]
        for outcome in said:
            self.receiver.seen[f"a doubt was answered: {outcome.verdict}"] += 1
        return said
