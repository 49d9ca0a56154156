"""One plan in the ledger for `loa check`, and hands that spoil it."""

from dataclasses import replace

from consumers.channel_health.pauses import LegitimateWaits
from consumers.check.checker import LedgerRules
from consumers.check.context import CheckContext
from consumers.check.findings import STUCK_S, Violation
from consumers.ledger import codec
from consumers.ledger.store import Ledger
from contracts import publication, subjects
from contracts.base.times import utc_time
from contracts.delivery import BatchKey, ChannelName, PlanKey
from tests.support.check_harness import acknowledge_all
from tests.support.ledger_plan import store_plan
from tests.support.publications import a_publication
from tests.support.scripted_channel import reader_ids

EMAIL = ChannelName.EMAIL
OLD = 3 * STUCK_S
PLAN = PlanKey(EMAIL, "tin-moi", 1)


class CheckedPlan:
    """A plan that began long ago."""

    def __init__(self, bus, clock) -> None:
        self.bus, self.clock, self.ledger = bus, clock, Ledger(bus)
        self.bucket = self.ledger.bucket

    async def plan(self, *sizes: int, **changes: object) -> None:
        """Store the plan with batches of these sizes."""
        ids = iter(reader_ids(sum(sizes)))
        batches = [[next(ids) for _ in range(size)] for size in sizes]
        await store_plan(self.ledger, PLAN, *batches, at=self.clock() - OLD, **changes)

    async def deliver(self, *sizes: int) -> None:
        for number, size in enumerate(sizes):
            await self.state(number, rows=b"d" * size, closed_at=self.clock() - OLD + 2)

    async def state(self, number: int = 0, **changes: object) -> None:
        entry = (await self.ledger.state(BatchKey(*PLAN, number))).value
        data = codec.encode_state(replace(entry, **changes))
        await self.bucket.put(f"state.{PLAN}.{number}", data)

    async def cursor(self, **changes: object) -> None:
        cursor = replace((await self.ledger.plan(PLAN)).value, **changes)
        await self.bucket.put(f"plan.{PLAN}", codec.encode_cursor(cursor))

    async def recipients(self, number: int, *ids: str) -> None:
        await self.bucket.put(f"rows.{PLAN}.{number}", codec.encode_rows(ids, frozenset()))

    async def release(self, content_id: str = PLAN.content_id, **fields: object) -> None:
        """Publish its text; the dispatcher has not come to it."""
        at = {"released_at": utc_time(self.clock() - OLD)}
        text = a_publication(content_id=content_id, channels=["email"], **at | fields)
        subject = subjects.publication(text.topic, text.content_id)
        await self.bus.publish(subject, publication.encode(text))

    async def dispatched(self) -> None:
        """The dispatcher is done with everything that was published."""
        await acknowledge_all(self.bus, "PUBLICATIONS", subjects.dispatch(EMAIL))

    async def check(self, *, deep: bool = True, running_since: float = 0.0) -> list[Violation]:
        context = CheckContext(
            self.bus,
            self.clock,
            deep,
            excuses=lambda: LegitimateWaits(self.bus).may_wait,
            running_since=running_since,
            recheck_after_s=0.0,
        )
        violations = await LedgerRules(context).violations()
        assert all(violation.detail for violation in violations)
        return violations

    async def found(self, *, deep: bool = True) -> list[str]:
        """The violations as `rule key`, sorted."""
        return sorted(f"{one.rule} {one.key}" for one in await self.check(deep=deep))

    async def rules(self, **context: float) -> list[str]:
        return [violation.rule for violation in await self.check(**context)]
