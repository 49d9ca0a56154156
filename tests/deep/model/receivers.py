"""The receivers at the edge: their kinds, what really arrived where, and the channels to them."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from channels.base import AFTER_EARLIER_ROW, Deadline, Outcome, Recipient, Verdict
from channels.errors import Unreachable
from consumers.dispatch.audience import ARTICLE, BROADCAST
from contracts.delivery import ChannelName
from contracts.publication import Publication
from tests.deep.model.random_streams import RandomStream
from tests.deep.model.virtual_loop import ProcessState, VirtualLoop


class EffectKey(NamedTuple):
    """Key of an effect that must come once."""

    content_id: str
    revision: int
    recipient: str


# --- what each kind can tell of a doubt, and what it refuses by itself


@dataclass
class ReceiverKind:
    """A relay: it can't be asked, so a row in doubt is sent again."""

    channel: ChannelName
    window: int = 2
    connections: int = 2
    request_timeout_s: float = 20.0
    settle_s: float = 50.0
    has_recipients: bool = True  # one row per reader, and the newer text waits for the older
    is_local: bool = False  # answers always come
    detects_duplicates: bool = False  # doing it twice is doing it once

    def refuses(self, receiver: "Receiver", key: EffectKey) -> Outcome | None:
        return None

    def resolve(self, receiver: "Receiver", key: EffectKey) -> Outcome:
        return Outcome(Verdict.RESEND)

    def at_most_once(self, key: EffectKey) -> bool:
        return False


@dataclass
class PaidMessage(ReceiverKind):
    """A paid message to one reader: it can't be looked up, and is never repeated."""

    def resolve(self, receiver: "Receiver", key: EffectKey) -> Outcome:
        return Outcome(Verdict.UNKNOWN)

    def at_most_once(self, key: EffectKey) -> bool:
        return True


@dataclass
class PortalFolder(ReceiverKind):
    """The portal: files of our own, which know what they show, and refuse what is older."""

    has_recipients: bool = False
    is_local: bool = True
    detects_duplicates: bool = True

    def refuses(self, receiver: "Receiver", key: EffectKey) -> Outcome | None:
        if receiver.shown.get(key.content_id, 0) > key.revision:
            receiver.seen["a receiver refused an older text"] += 1
            return Outcome(Verdict.FAILED, "superseded_by_newer")
        return None

    def resolve(self, receiver: "Receiver", key: EffectKey) -> Outcome:
        return Outcome(Verdict.DELIVERED if receiver.effects.get(key) else Verdict.ABSENT)


@dataclass
class OfficialAccountKind(ReceiverKind):
    """An Official Account: an article that can be looked up, and one broadcast that can't."""

    has_recipients: bool = False

    def refuses(self, receiver: "Receiver", key: EffectKey) -> Outcome | None:
        article = key._replace(recipient=ARTICLE)
        if article in receiver.refused:
            return Outcome(Verdict.FAILED, "the article was refused")
        if key.recipient == BROADCAST and not receiver.effects.get(article):
            return Outcome(Verdict.DEFERRED, AFTER_EARLIER_ROW, 15.0)
        return None

    def resolve(self, receiver: "Receiver", key: EffectKey) -> Outcome:
        """Not there counts only when no late effect can land any more."""
        if self.at_most_once(key):
            return Outcome(Verdict.UNKNOWN)
        if receiver.effects.get(key):
            return Outcome(Verdict.DELIVERED)
        rest_s = receiver.requested.get(key, -self.settle_s) + self.settle_s - receiver.loop.now
        return Outcome(Verdict.DOUBT, "", rest_s) if rest_s > 0 else Outcome(Verdict.ABSENT)

    def at_most_once(self, key: EffectKey) -> bool:
        return key.recipient == BROADCAST


# --- what arrives


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

    def heal(self) -> None:
        for name in (*ANSWERS, *SILENCES, "away"):
            setattr(self, name, 0.0)
        self.slow_s = 0.05


ANSWERS = ("later", "held", "never", "unwanted", "cut_before")
SILENCES = ("silent", "silent_after", "silent_late")


@dataclass
class Receiver:
    """One channel's receiving side: the effects, with the moment of each."""

    kind: ReceiverKind
    loop: VirtualLoop
    chance: RandomStream
    seen: Counter[str]
    odds: OutcomeOdds
    on_effect: Callable[[ChannelName, EffectKey], None]
    effects: dict[EffectKey, list[float]] = field(default_factory=dict)
    requested: dict[EffectKey, float] = field(default_factory=dict)  # the last time
    shown: dict[str, int] = field(default_factory=dict)
    refused: set[EffectKey] = field(default_factory=set)

    def apply_effect(self, key: EffectKey) -> None:
        """It is there; a receiver that knows the key shows it once."""
        times = self.effects.setdefault(key, [])
        if times and self.kind.detects_duplicates:
            return
        times.append(self.loop.now)
        self.shown[key.content_id] = max(key.revision, self.shown.get(key.content_id, 0))
        self.on_effect(self.kind.channel, key)

    def draw_answer(self) -> str:
        drawn = self.chance.random()
        for name in ANSWERS if self.kind.is_local else ANSWERS + SILENCES:
            drawn -= getattr(self.odds, name)
            if drawn < 0:
                return name
        return "ok"

    def outcome(self, answer: str) -> Outcome:
        after_s = self.chance.choice((None, None, 3.0, 20.0))
        by_policy = self.kind.channel is ChannelName.EMAIL
        return {
            "ok": Outcome(Verdict.DELIVERED),
            "later": Outcome(Verdict.DEFERRED, "451", after_s),
            "held": Outcome(Verdict.HELD, "held", after_s or 10.0, policy_rejected=by_policy),
            "never": Outcome(Verdict.FAILED, "550"),
            "unwanted": Outcome(Verdict.SUPPRESSED, "unwanted"),
            "cut_before": Outcome(Verdict.UNSENT, "cut", self.chance.choice((None, 2.0))),
        }[answer]


# --- the product's view


class SimulatedChannel:
    """The product's view of a receiver, from one process."""

    def __init__(self, receiver: Receiver, actor: ProcessState, world: Any) -> None:
        self.receiver, self.actor, self.world = receiver, actor, world
        kind = receiver.kind
        self.name: ChannelName = kind.channel
        self.connections, self.window = kind.connections, kind.window
        self.request_timeout_s, self.settle_s = kind.request_timeout_s, kind.settle_s
        self.chance, self.loop, self.odds = receiver.chance, receiver.loop, receiver.odds

    def render(self, publication: Publication) -> Publication:
        return publication

    async def close(self) -> None:
        """Nothing to let go of."""

    @asynccontextmanager
    async def session(self) -> AsyncIterator["SimulatedChannel"]:
        if self.chance.is_hit(self.odds.away):
            self.receiver.seen["a channel could not be reached"] += 1
            raise Unreachable("away", retry_after_s=self.chance.between(0.5, 20.0))
        yield self

    async def interrupt(self, where: str) -> None:
        if wait := self.world.nemesis.interrupt(self.actor, where):
            await wait

    async def send(
        self, rendered: Publication, rows: Sequence[Recipient], expired: Deadline
    ) -> list[Outcome]:
        """One request per row; a broken connection leaves the rest unsent."""
        outcomes: list[Outcome] = []
        for row in rows:
            await self.interrupt("before a send")
            outcome = await self.send_row(rendered, row, expired)
            outcomes.append(outcome)
            doubtful = outcome.verdict is Verdict.DOUBT
            if outcome.verdict is Verdict.UNSENT or (doubtful and self.chance.is_hit(0.5)):
                break
        lost = Outcome(Verdict.UNSENT, "connection lost")
        return outcomes + [lost] * (len(rows) - len(outcomes))

    async def send_row(self, rendered: Publication, row: Recipient, expired: Deadline) -> Outcome:
        if expired():
            self.receiver.seen["the own deadline stopped a send"] += 1
            return Outcome(Verdict.UNSENT, "own deadline")
        key = EffectKey(rendered.content_id, rendered.revision, row.id)
        if refused := self.receiver.kind.refuses(self.receiver, key):
            return refused
        self.world.monitor.on_send(self.actor, self.name, rendered, row)
        self.receiver.requested[key] = self.loop.now
        return await self.request(key)

    async def request(self, key: EffectKey) -> Outcome:
        answer = self.receiver.draw_answer()
        self.receiver.seen[f"a receiver's answer: {answer}"] += 1
        longest_s = min(self.odds.slow_s, 0.9 * self.request_timeout_s)
        took_s = self.chance.between(0.1, 1.0) * longest_s
        if answer == "ok" and self.receiver.kind.is_local:
            self.receiver.apply_effect(key)
        elif answer in ("ok", "silent_after"):
            self.loop.later(took_s * self.chance.random(), self.receiver.apply_effect, key)
        if answer == "silent_late":
            self.world.later(self.late_s(), self.receiver.apply_effect, key)
        await self.interrupt("after a send")
        if answer in SILENCES:
            await asyncio.sleep(self.request_timeout_s * self.chance.choice((0.01, 1.0)))
            return Outcome(Verdict.DOUBT, answer)
        await asyncio.sleep(took_s)
        if answer in ("never", "unwanted"):
            self.receiver.refused.add(key)
        return self.receiver.outcome(answer)

    def late_s(self) -> float:
        """A late effect: within `settle_s`, of which 5 s belong to the clocks."""
        longest_s = self.settle_s - 5.5
        return self.chance.between(0.5 * longest_s, longest_s)

    async def resolve(self, rendered: Publication, rows: Sequence[Recipient]) -> list[Outcome]:
        """Knowledge of the receiving side about rows in doubt."""
        await self.interrupt("a doubt is looked into")
        await asyncio.sleep(self.chance.between(0.001, self.odds.slow_s))
        keys = [EffectKey(rendered.content_id, rendered.revision, row.id) for row in rows]
        outcomes = [self.receiver.kind.resolve(self.receiver, key) for key in keys]
        for outcome in outcomes:
            self.receiver.seen[f"a doubt was answered: {outcome.verdict}"] += 1
        return outcomes
