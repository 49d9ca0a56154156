"""The bounce brake: a publication whose mail comes back too often is stopped until a person says.

Where it comes back because *we* are refused, the channel's breaker opens instead: for a share of a
publication's mails, because a single reader (or a stranger who gets our mail) can say it at will.

Counted anew each time from what the ledger's bucket holds (states of batches, and what came back
of them), so that no restart loses a count. A worker counts what is refused at once for itself, too
(`consumers.mail.tally`): a fast relay has taken thousands before this has heard of the first. The
verdicts lie in bucket `control`, one key for all.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Literal

import structlog
from pydantic import Field

from channels.email import meanings
from channels.email.meanings import Meaning
from channels.email.reports import CODE
from consumers import breaker, register
from consumers.breaker import Breaker
from consumers.circuit import Circuit
from consumers.ledger.entry import Entry
from consumers.ledger.store import Ledger
from consumers.mail.books import Back, Books
from contracts import subjects
from contracts.delivery import ChannelName, PlanKey
from contracts.records import Record
from producers.bus import Bus, BusError

log = structlog.get_logger()
KEY = "brakes.email"
MAILS_MIN = 1000
WARN, STOP = 0.05, 0.10
REFUSALS_MIN, REFUSED = 5, 0.05
LOOK_S = 5.0
REMEMBERED_S = 30 * 86400.0
CODES_MAX = 5
FAILED = ord("x")
SENT = b"dDxXkK"
"""Letters of rows of which the relay has said, or may have said, something final."""
State = Literal["warned", "stopped", "released"]


class Brake(Record):
    """One publication's verdict. `released`: a person said that it goes on, whatever comes back."""

    state: State
    at: float
    mails: int
    failed: int
    by: str = ""
    codes: dict[str, int] = Field(default_factory=dict)
    """With which codes how many failed, the most frequent first; CODES_MAX of them."""

    @property
    def stops(self) -> bool:
        return self.state == "stopped"

    @property
    def percent(self) -> int:
        return round(100 * self.failed / max(self.mails, 1))


class Brakes(Record):
    """All of them, by plan."""

    plans: dict[str, Brake] = Field(default_factory=dict)

    def put(self, plan: str, brake: Brake) -> "Brakes":
        """What stops a publication is kept for as long as nobody has decided about it."""
        since = brake.at - REMEMBERED_S
        stands = {n: one for n, one in self.plans.items() if one.at > since or one.stops}
        return Brakes(plans={**stands, plan: brake})

    def decided(self, plan: PlanKey) -> bool:
        """Whether it is stopped, or a person has let it go on."""
        stands = self.plans.get(str(plan))
        return stands is not None and stands.state != "warned"

    def wants(self, plan: PlanKey, verdict: Brake) -> bool:
        """Whether *verdict* says more than what stands of *plan*."""
        stands = self.plans.get(str(plan))
        return stands is None or (stands.state == "warned" and verdict.stops)

    def stops(self, plan: PlanKey) -> bool:
        found = self.plans.get(str(plan)) if self.plans else None
        return found is not None and found.stops


def failing(back: Back) -> Counter[str]:
    """With which codes a batch's recipients could not be reached, who never will be."""
    codes = [*back.bounced.values(), *back.refused.values()]
    return Counter(code for code in codes if meanings.returned(code) in meanings.RECIPIENT)


def refusing(back: Back) -> Counter[str]:
    """With which codes a batch's mails came back because we are refused, whoever the reader is."""
    codes = back.bounced.values()
    return Counter(code for code in codes if meanings.returned(code) is Meaning.POLICY)


def judge(mails: int, failed: int) -> State | None:
    """What so many failures call for."""
    if mails < MAILS_MIN or failed < WARN * mails:
        return None
    return "stopped" if failed >= STOP * mails else "warned"


def verdict(mails: int, codes: Mapping[str, int], now: float) -> Brake | None:
    """What so many mails call for of which so many failed, by their *codes*."""
    failed = sum(codes.values())
    state = judge(mails, failed)
    if state is None:
        return None
    often = dict(Counter(codes).most_common(CODES_MAX))
    return Brake(state=state, at=now, mails=mails, failed=failed, codes=often)


async def counted(ledger: Ledger, plan: PlanKey, now: float) -> Brake | None:
    """What the ledger alone says of *plan*: refused at once, by whichever worker's relay.

    Raises BusError, LedgerError.
    """
    held = await ledger.plan(plan)
    if held is None:
        return None
    mails, codes = 0, Counter[str]()
    async for _, one in ledger.entries(plan, held.value):
        mails += sum(map(one.value.rows.count, SENT))
        codes += refusals(one.value)
    return verdict(mails, codes, now)


def refusals(entry: Entry) -> Counter[str]:
    """The codes of recipients who can't be reached, as the reasons of the ended rows have them."""
    notes = entry.notes.items()
    said = [note.reason for row, note in notes if entry.rows[row] == FAILED]
    codes = [CODE.search(one) for one in said if one.startswith("5")]
    found = [code[0] if code else "5.0.0" for code in codes]
    return Counter(code for code in found if meanings.returned(code) in meanings.RECIPIENT)


@dataclass
class BounceBrake:
    """Looks at every publication of which something has come back since it last looked."""

    bus: Bus
    ledger: Ledger
    clock: Callable[[], float] = time.time
    changed: set[PlanKey] = field(default_factory=set)
    refused: Counter[PlanKey] = field(default_factory=Counter)  # so many by policy, as last seen

    async def run(self) -> None:
        """As a task. What came back before a restart is looked at once more."""
        remembered = False
        while True:
            try:
                if not remembered:
                    await self.remember()
                    remembered = True
                await self.look()
            except BusError as trouble:
                log.warning("bus_trouble", error=type(trouble).__name__, detail=str(trouble))
            await asyncio.sleep(LOOK_S)

    async def remember(self) -> None:
        since, refused = self.clock() - REMEMBERED_S, Counter[PlanKey]()
        async for batch, back in Books(self.ledger.bucket).of(f"{ChannelName.EMAIL}."):
            if back.at > since:
                self.changed.add(batch.plan)
                refused[batch.plan] += refusing(back).total()
        self.refused = refused

    async def look(self) -> None:
        """Judge what has changed; what the bus did not answer for comes again."""
        for plan in list(self.changed):
            self.changed.discard(plan)
            try:
                await self.check(plan)
            except BusError:
                self.changed.add(plan)
                raise

    async def check(self, plan: PlanKey) -> None:
        failed, refused = Counter[str](), Counter[str]()
        async for _, back in Books(self.ledger.bucket).of(f"{plan}."):
            failed += failing(back)
            refused += refusing(back)
        await self.check_policy(plan, refused)
        if failed.total() < WARN * MAILS_MIN:
            return
        found = verdict(await self.mails(plan), failed, self.clock())
        if found:
            await apply(self.bus, plan, found)

    async def check_policy(self, plan: PlanKey, refused: Counter[str]) -> None:
        """Open the breaker each time that more has come back, once it is a share of the mails.

        In the name of whoever closed it last: that the relay takes mail again is no proof, it took
        what came back, too.
        """
        count = refused.total()
        if count < REFUSALS_MIN or count <= self.refused[plan]:
            return
        if count >= REFUSED * await self.mails(plan):
            [(code, _)] = refused.most_common(1)
            circuit = Circuit(self.bus, ChannelName.EMAIL)
            await circuit.change(partial(self.trip, reason=f"bounced {code}"))
        self.refused[plan] = count

    def trip(self, one: Breaker, reason: str) -> Breaker:
        return breaker.trip(one, one.who, reason, self.clock())

    async def mails(self, plan: PlanKey) -> int:
        """How many mails of *plan* the relay has judged."""
        held = await self.ledger.plan(plan)
        if held is None:
            return 0
        entries = self.ledger.entries(plan, held.value)
        return sum([sum(map(one.value.rows.count, SENT)) async for _, one in entries])


async def apply(bus: Bus, plan: PlanKey, verdict: Brake) -> Brakes:
    """Write it unless as much stands there; what stands now. Raises BusError.

    A stop that was lifted is not put on again.
    """

    def move(found: Brakes | None) -> Brakes:
        brakes = found or Brakes()
        return brakes.put(str(plan), verdict) if brakes.wants(plan, verdict) else brakes

    held = await register.change(bus.bucket(subjects.CONTROL.name), KEY, Brakes, move)
    if held.fresh:
        tell(plan, verdict)
    return held.known


def tell(plan: PlanKey, one: Brake) -> None:
    facts = {"content_id": plan.content_id, "revision": plan.revision, "percent": one.percent}
    if one.state == "stopped":
        log.error("bounces_stopped", mails=one.mails, failed=one.failed, **facts)
    else:
        log.warning("bounces_many", mails=one.mails, failed=one.failed, **facts)


async def brakes(bus: Bus) -> Brakes:
    """What stands. Raises BusError."""
    held = await register.read(bus.bucket(subjects.CONTROL.name), KEY, Brakes)
    return held.value or Brakes()


async def release(bus: Bus, plan: PlanKey, by: str) -> bool:
    """Let *plan* go on; False when nothing stops it."""

    def move(found: Brakes | None) -> Brakes:
        held = found or Brakes()
        one = held.plans.get(str(plan))
        if one is None or one.state != "stopped":
            return held
        return held.put(str(plan), one.model_copy(update={"state": "released", "by": by}))

    held = await register.change(bus.bucket(subjects.CONTROL.name), KEY, Brakes, move)
    if held.fresh:
        log.warning("bounces_released", content_id=plan.content_id, revision=plan.revision)
    return held.fresh
