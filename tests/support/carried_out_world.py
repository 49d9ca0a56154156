"""Random stories of people at one item on a real bus; an intake that dies carries them out."""

import asyncio
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import takewhile
from random import Random
from typing import Any

from consumers.desk.item_acts import ItemActs
from consumers.editorial.log import EditorialLog
from consumers.intake import items
from consumers.intake.handler import Intake
from consumers.staff.authorization import Actor
from contracts import subjects
from contracts.base.times import utc_now
from contracts.desk.editorial import Order
from contracts.editorial import Action, ActionKind, ItemState, Status
from contracts.errors import ContractError
from contracts.vocabulary import DEFAULT, REJECTIONS
from producers.bus import Bus
from producers.bus.records import require
from tests.support.clock import FakeClock
from tests.support.crashing_bus import SimulatedCrash, crashing_bus
from tests.support.editorial_world import NAMES, PEOPLE, judge
from tests.support.events import UNIT, released_publications

K, S = ActionKind, Status
WRITER, LEADER, EDITOR, APPROVER, SECOND = PEOPLE
USUAL: dict[Status | None, tuple[tuple[ActionKind, str], ...]] = {
    None: ((K.SAVE, WRITER),),
    S.DRAFT: ((K.SUBMIT, WRITER), (K.SUBMIT, WRITER), (K.SAVE, WRITER)),
    S.RETURNED: ((K.SUBMIT, WRITER), (K.SAVE, WRITER)),
    S.SUBMITTED: ((K.CONFIRM, LEADER),) * 3 + ((K.RETURN, LEADER),),
    S.UNIT_CONFIRMED: ((K.PROPOSE, EDITOR), (K.EDIT, EDITOR)),
    S.IN_EDIT: ((K.PROPOSE, EDITOR),) * 2 + ((K.COMMENT, EDITOR),),
    S.PENDING_APPROVAL: ((K.APPROVE, APPROVER),) * 4 + ((K.EDIT, EDITOR), (K.REJECT, APPROVER)),
    S.APPROVED: ((K.EDIT, EDITOR), (K.EDIT, EDITOR), (K.WITHDRAW, APPROVER)),
    S.SCHEDULED: ((K.EDIT, EDITOR), (K.WITHDRAW, APPROVER)),
    S.PUBLISHED: ((K.SAVE, WRITER),) * 2 + ((K.WITHDRAW, APPROVER),),
    S.CORRECTED: ((K.SAVE, WRITER), (K.WITHDRAW, APPROVER)),
    S.WITHDRAWN: ((K.SAVE, WRITER),),
    S.REJECTED: ((K.SAVE, WRITER),),
    S.EXPIRED: ((K.SAVE, WRITER),),
}
"""What is done next, and by whom as a rule."""
_STEPS = 30
_MOST_CALLS = 14
_LAST_PASSES = 2


@dataclass
class CarriedOutWorld:
    """One item. People order acts; some orders come twice, or without an answer."""

    bus: Bus
    clock: FakeClock
    seed: int
    lost: list[tuple[Order, Actor]] = field(default_factory=list)
    seen: list[ItemState] = field(default_factory=lambda: [ItemState()])
    delivered: int = 0
    """The last act that intake has acknowledged, by its place in the log."""
    crashes: int = 0
    tried: int = 0

    def __post_init__(self) -> None:
        self.random = Random(self.seed)
        self.item = f"tin-{self.seed}"
        self.log = EditorialLog(self.bus)

    async def run(self) -> list[str]:
        """Play; returns what was wrong."""
        for _ in range(_STEPS):
            self.clock.advance(60)
            await self.someone_acts()
            if self.random.random() < 0.6:
                await self.intake_works()
        for _ in range(_LAST_PASSES):
            await self.deliver(Intake(self.bus, DEFAULT, self.clock), 0)
            await Intake(self.bus, DEFAULT, self.clock).desk.finish_interrupted()
        return [one async for one in self.wrong()]

    # --- people

    async def someone_acts(self) -> None:
        """One order, or two at the same moment; now and then one whose answer was lost, again."""
        self.seen.append((await self.log.read(self.item)).state)
        if self.lost and self.random.random() < 0.5:
            await self.give(*self.lost.pop(), may_die=False)
        elif self.random.random() < 0.2:
            await asyncio.gather(*(self.give(*self.order(), may_die=False) for _ in range(2)))
        else:
            await self.give(*self.order(), may_die=True)

    def order(self) -> tuple[Order, Actor]:
        """An order on a text that a person has seen, mostly the newest."""
        chance, self.tried = self.random, self.tried + 1
        seen = self.seen[-1] if chance.random() < 0.85 else chance.choice(self.seen[-3:])
        kind, person = chance.choice(USUAL[seen.status])
        if chance.random() < 0.15:
            person = chance.choice(PEOPLE)
        data = self.text() if kind in (K.SAVE, K.EDIT) else None
        code = next(iter(REJECTIONS)) if kind is K.REJECT else ""
        act_id = f"{self.seed:016x}{self.tried:016x}"
        order = Order(self.item, kind, act_id, seen.hash, data, "Có sai sót.", code)
        return order, Actor(person, NAMES[person], "mot-vai-tro")

    def text(self) -> dict[str, Any]:
        return {
            "title": "Lịch trả kết quả", "body": f"Nội dung {self.tried}.", "reason": "Sai ngày.",
            "topic": "cai-cach-hanh-chinh", "channels": ["portal"],
        }  # fmt: skip

    async def give(self, order: Order, who: Actor, *, may_die: bool) -> None:
        """Order an act; the process may die meanwhile, and then nothing is known of it."""
        log = EditorialLog(
            self.mortal_bus() if may_die and self.random.random() < 0.3 else self.bus
        )
        try:
            await ItemActs(log, DEFAULT, self.clock).perform(order, who, unit=UNIT)
        except SimulatedCrash:
            self.lost.append((order, who))
        except ContractError:
            return
        if self.random.random() < 0.1:
            self.lost.append((order, who))  # a second press

    # --- intake

    async def intake_works(self) -> None:
        """Deliver what is new, or again what was; it may die at any call, or be two at once."""
        start = self.delivered if self.random.random() < 0.8 else 0
        if self.random.random() < 0.2:
            both = (Intake(self.bus, DEFAULT, self.clock) for _ in range(2))
            await asyncio.gather(*(self.deliver(one, start) for one in both))
            return
        dies = self.random.random() < 0.5
        bus = self.mortal_bus() if dies else self.bus
        try:
            await self.deliver(Intake(bus, DEFAULT, self.clock), start)
        except SimulatedCrash:
            self.crashes += 1

    async def deliver(self, intake: Intake, start: int) -> None:
        """Hand acts over one by one, or several at once as the subscribers of one intake do."""
        subject = subjects.editorial(self.item)
        found = [one async for one in self.bus.scan(subjects.EDITORIAL.name, subject, start + 1)]
        waiting, done = iter(found), set[int]()

        async def subscriber() -> None:
            for message in waiting:
                await intake.on_act(message)
                done.add(message.seq)

        copies = (subscriber() for _ in range(self.random.choice((1, 4))))
        ends = await asyncio.gather(*copies, return_exceptions=True)
        acknowledged = takewhile(lambda message: message.seq in done, found)
        self.delivered = max((self.delivered, *(message.seq for message in acknowledged)))
        for error in filter(None, ends):
            raise error

    def mortal_bus(self) -> Any:
        calls = self.random.randint(1, _MOST_CALLS)
        return crashing_bus(self.bus, calls, after=self.random.random() < 0.5)

    # --- judging

    async def wrong(self) -> Any:
        """What the log, the item's record and the publications say differently."""
        state, acts = await self.log.history(self.item)
        published = await released_publications(self.bus, self.item)
        for one in (*judge(acts), *judge_publications(acts, published)):
            yield one
        if state.approved:
            yield f"approved, and not carried out: {[*state.approved]}"
        texts = {one["revision"] for one in published if one["action"] != "withdrawn"}
        if texts != {*state.published}:
            yield f"out by the log: {[*state.published]}; published: {texts}"
        record = await Intake(self.bus, DEFAULT, self.clock).repository.item(self.item)
        shown = items.visible_revision(require(record), utc_now(self.clock)) if record else 0
        if shown != state.out:
            yield f"readers see {shown}, and by the log {state.out}"


def judge_publications(acts: list[Action], published: list[dict[str, Any]]) -> Iterator[str]:
    """Whether each is out once, as it was approved, and what was withdrawn is gone."""
    counts = Counter((one["revision"], one["action"] == "withdrawn") for one in published)
    yield from (f"published {count} times: {one}" for one, count in counts.items() if count > 1)
    bodies = {act.hash: act.text.data["body"] for act in acts if act.text}
    for one in published:
        if one["action"] != "withdrawn":
            approved = {act.hash for act in acts if _approves(act, one["revision"])}
            if one["body"].strip() not in {bodies[hash] for hash in approved}:
                yield f"not as it was approved: {one['revision']}"
    last = max((n for n, act in enumerate(acts) if act.kind is K.WITHDRAW), default=None)
    came_after = last is not None and any(act.kind is K.PUBLISH for act in acts[last:])
    if last is not None and not came_after and published and published[-1]["action"] != "withdrawn":
        yield "withdrawn, and still out"


def _approves(act: Action, revision: int) -> bool:
    return act.kind is K.APPROVE and act.revision == revision
