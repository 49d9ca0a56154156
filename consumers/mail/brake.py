"""The bounce brake: a publication whose mail comes back too often is stopped until a person says.

Where it comes back because *we* are refused, the channel's breaker opens instead: for a share of a
publication's mails, because a single reader (or a stranger who gets our mail) can say it at will.

Counted anew each time from what the ledger's bucket holds (states of batches, and what came back
of them), so that no restart loses a count. A worker that has seen too much refused at once has the
ledger counted at once (`consumers.mail.tally`): a fast relay has taken thousands before this has
heard of the first. What it decides stands in `consumers.mail.brakes`.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial

import structlog

from channels.email import meanings, verdicts
from channels.email.meanings import Meaning
from consumers import breaker
from consumers.breaker import Breaker
from consumers.circuit import Circuit
from consumers.ledger.cursor import Cursor
from consumers.ledger.entry import Entry
from consumers.ledger.store import Ledger
from consumers.mail import brakes
from consumers.mail.books import Back, Books
from consumers.mail.brakes import REMEMBERED_S, Brake, State
from contracts.delivery import ChannelName, PlanKey
from producers.bus import Bus, BusError

log = structlog.get_logger()
MAILS_MIN = 1000
WARN, STOP = 0.05, 0.10
REFUSALS_MIN, REFUSED = 5, 0.05
LOOK_S = 5.0
CODES_MAX = 5
FAILED = b"xX"
SENT = b"dDxXkK"
"""Letters of rows of which the relay has said, or may have said, something final."""


def unreached(codes: Iterable[str]) -> Counter[str]:
    """Those of *codes* that mean a recipient who can't be reached, and never will be."""
    return Counter(code for code in codes if meanings.returned(code) in meanings.RECIPIENT)


def failing(back: Back) -> Counter[str]:
    """With which codes a batch's recipients could not be reached."""
    return unreached([*back.bounced.values(), *back.refused.values()])


def refusing(back: Back) -> Counter[str]:
    """With which codes a batch's mails came back because we are refused, whoever the reader is."""
    codes = back.bounced.values()
    return Counter(code for code in codes if meanings.returned(code) is Meaning.POLICY)


def judge(mails: int, failed: int, least: int = MAILS_MIN) -> State | None:
    """What so many failures call for, from *least* mails on."""
    if mails < least or failed < WARN * mails:
        return None
    return "stopped" if failed >= STOP * mails else "warned"


def verdict(
    mails: int, codes: Mapping[str, int], now: float, least: int = MAILS_MIN
) -> Brake | None:
    """What so many mails call for of which so many failed, by their *codes*."""
    failed = sum(codes.values())
    state = judge(mails, failed, least)
    if state is None:
        return None
    often = dict(Counter(codes).most_common(CODES_MAX))
    return Brake(state=state, at=now, mails=mails, failed=failed, codes=often)


async def counted(ledger: Ledger, plan: PlanKey) -> tuple[int, Counter[str]]:
    """What the ledger alone says of *plan*: mails that a relay, whichever worker's, has judged, and
    the codes of those that it refused because their recipients can't be reached.

    Raises BusError, LedgerError.
    """
    held = await ledger.plan(plan)
    mails, codes = 0, Counter[str]()
    async for _, one in ledger.entries(plan, held.value if held else Cursor()):
        mails += judged(one.value)
        codes += refusals(one.value)
    return mails, codes


def judged(entry: Entry) -> int:
    """How many of a batch's mails the relay has judged."""
    return sum(map(entry.rows.count, SENT))


def refusals(entry: Entry) -> Counter[str]:
    """The codes of recipients who can't be reached, as the reasons of the refused rows have them.

    A row whose time was over still says when it was due.
    """
    notes = entry.notes.items()
    said = [one.reason for row, one in notes if entry.rows[row] in FAILED and not one.due]
    return unreached(filter(None, map(verdicts.code_in, said)))


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
            await brakes.apply(self.bus, plan, found)

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
        return sum([judged(one.value) async for _, one in entries])
