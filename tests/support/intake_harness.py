"""Where items come in and `loa trace` tells of them: real bus, intake and ledger, no workers."""

from dataclasses import replace

from consumers.intake.handler import Intake
from consumers.ledger import codec
from consumers.ledger.doubts import Doubt, DoubtCause
from consumers.ledger.entry import RowNote, planned_entry
from consumers.ledger.store import Ledger
from consumers.reporting.trace import TraceReader
from contracts.delivery import BatchKey, ChannelName, Lane, PlanKey
from contracts.trace import Trace
from contracts.vocabulary import DEFAULT
from tests.support.events import ITEM, UNIT, register_unit
from tests.support.ledger_plan import store_plan


class IntakeHarness:
    """Intake, desk and a hand in the ledger; `story` is what trace makes of it."""

    def __init__(self, bus, clock) -> None:
        self.bus, self.clock = bus, clock
        self.intake = Intake(bus, DEFAULT, clock)
        self.ledger = Ledger(bus)
        self.trace = TraceReader(bus, clock)

    async def take_in(self, event, release: str = "automatic") -> None:
        await register_unit(self.bus, release=release)
        await self.intake.handle(event, UNIT)

    async def read_trace(self) -> Trace | None:
        return await self.trace.trace(ITEM)

    async def add_plan(
        self,
        *letters: bytes,
        channel: ChannelName = ChannelName.EMAIL,
        item: str = ITEM,
        revision: int = 1,
        copies: int = 0,
        settle_s: float = 0.0,
        **cursor,
    ) -> None:
        """A plan whose batches have this status; what they began lands within *settle_s*."""
        key = PlanKey(channel, item, revision)
        named = [[f"r{n}{row:03}" for row in range(len(one))] for n, one in enumerate(letters)]
        at = {"at": self.clock(), "finished": self.clock()}
        await store_plan(self.ledger, key, *named, **at | cursor)
        for number, rows in enumerate(letters):
            entry = planned_entry(0, Lane.NORMAL, self.clock())
            entry = replace(
                entry, rows=rows, possible_copies=copies, effects_until=self.clock() + settle_s
            )
            closed = 0.0 if entry.is_open else self.clock()
            state = codec.encode_state(replace(entry, closed_at=closed))
            await self.ledger.bucket.put(f"state.{BatchKey(*key, number)}", state)

    async def add_reasons(self, reason: str, *rows: int) -> None:
        """Write a reason to rows of the first batch of the first revision's mails."""
        batch = BatchKey(ChannelName.EMAIL, ITEM, 1, 0)
        entry = (await self.ledger.state(batch)).value
        entry = replace(entry, notes=dict.fromkeys(rows, RowNote(1, 0.0, reason)))
        await self.ledger.bucket.put(f"state.{batch}", codec.encode_state(entry))

    async def add_doubt(self, worker: str, rows: int) -> None:
        """Say that *worker* ended while it sent *rows* of the first batch."""
        batch = BatchKey(ChannelName.EMAIL, ITEM, 1, 0)
        entry = (await self.ledger.state(batch)).value
        doubt = Doubt(self.clock(), rows, DoubtCause.ENDED, worker, self.clock() - 5)
        state = codec.encode_state(replace(entry, doubts=(doubt,)))
        await self.ledger.bucket.put(f"state.{batch}", state)
