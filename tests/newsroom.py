"""Where items come in and `loa trace` tells of them: real bus, intake and ledger, no workers."""

from dataclasses import replace

from consumers.digests.book import Book
from consumers.intake import Intake
from consumers.ledger import codec
from consumers.ledger.codec import Rows
from consumers.ledger.cursor import Cursor
from consumers.ledger.entry import planned
from consumers.ledger.store import Ledger
from consumers.register import Register
from consumers.seen import Seen
from consumers.story import Story
from consumers.trace import Trace
from contracts.delivery import BatchKey, ChannelName, Lane, PlanKey
from contracts.vocabulary import DEFAULT
from tests.arrivals import ITEM, UNIT, unit_is


class Newsroom:
    """Intake, desk and a hand in the ledger; `story` is what trace makes of it."""

    def __init__(self, bus, clock) -> None:
        self.bus, self.clock = bus, clock
        self.intake = Intake(bus, DEFAULT, clock)
        self.ledger = Ledger(bus)
        self.trace = Trace(Register(bus), self.ledger, clock, Book(bus), seen=Seen(bus))

    async def take(self, event, release: str = "automatic") -> None:
        await unit_is(self.bus, release=release)
        await self.intake.handle(event, UNIT)

    async def story(self) -> Story | None:
        return await self.trace.story(ITEM)

    async def plan(
        self,
        *letters: bytes,
        channel: ChannelName = ChannelName.EMAIL,
        item: str = ITEM,
        revision: int = 1,
        copies: int = 0,
        settle_s: float = 0.0,
        **cursor,
    ) -> None:
        """A plan whose batches stand like this; what they began lands within *settle_s*."""
        key = PlanKey(channel, item, revision)
        named = [[f"r{n}{row:03}" for row in range(len(one))] for n, one in enumerate(letters)]
        held = await self.ledger.create_plan(key, Cursor(created=self.clock()))
        wider = held.value.advance(named, complete=True, now=self.clock())
        lists = [Rows(tuple(ids)) for ids in named]
        await self.ledger.extend(key, held, replace(wider, **cursor), lists)
        for number, rows in enumerate(letters):
            entry = planned(0, Lane.NORMAL, self.clock())
            entry = replace(entry, rows=rows, copies=copies, settle=self.clock() + settle_s)
            closed = 0.0 if entry.is_open else self.clock()
            state = codec.encode_state(replace(entry, closed=closed))
            await self.ledger.bucket.put(f"state.{BatchKey(*key, number)}", state)
