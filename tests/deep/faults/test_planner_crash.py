"""A planner dies at any call to the bus: the next one leaves nobody out and plans nobody twice.

And every batch has its wake-up when the publication is done with, whoever planned it.
"""

import asyncio
from collections import Counter

import pytest

from channels.base import Outcome, Verdict
from consumers.dispatch.audience import SubscriberAudience
from consumers.dispatch.handler import Dispatcher
from consumers.ledger.wakeups import WakeUp
from consumers.runtime.errors import RetryLater
from contracts import subjects
from contracts.delivery import BatchKey, ChannelName, PlanKey, Status
from contracts.publication import StoredPublication
from producers.bus import NoReply, RevisionConflict
from tests.support.crashing_bus import SimulatedCrash, crashing_bus
from tests.support.delivery_pipeline import DeliveryPipeline
from tests.support.publications import a_publication
from tests.support.scripted_channel import ScriptedChannel, StaticReaders, reader_ids
from tests.support.services import new_dispatcher

EMAIL = ChannelName.EMAIL
READERS = 1203  # one batch, then two at once
AFTER = pytest.mark.parametrize("after", [False, True], ids=["before a call", "after a call"])


class CrashingPlanners(DeliveryPipeline):
    """Planners that die, and those who come after them."""

    def new_planner_on(self, bus) -> Dispatcher:
        return new_dispatcher(bus, SubscriberAudience(self.readers), self.released, self.clock)

    async def dies(self, bus, released: StoredPublication) -> bool:
        """Whether a planner on *bus* died of *released*."""
        try:
            await self.plan_until_done(self.new_planner_on(bus), released)
        except SimulatedCrash:
            return True
        return False

    async def plan_until_done(self, planner: Dispatcher, released: StoredPublication) -> None:
        """Hand *released* over until it is done, as the stream does."""
        for _ in range(20):
            try:
                return await planner.on_publication(released)
            except RetryLater as later:
                self.clock.advance(later.delay_s)
        raise AssertionError("never planned")

    async def planned(self, plan: PlanKey) -> list[str]:
        """Every recipient, batch by batch."""
        cursor = (await self.ledger.plan(plan)).value
        assert cursor.complete or cursor.halt
        batches = [BatchKey(*plan, number) for number in range(cursor.count)]
        lists = [(await self.ledger.rows(batch)).ids for batch in batches]
        assert cursor.planned == sum(map(len, lists))
        beyond = BatchKey(*plan, cursor.count)
        assert await self.ledger.state(beyond) is None, "an orphan"
        return [id for one in lists for id in one]

    async def unwoken(self, plan: PlanKey) -> set[int]:
        """Batches of *plan* that the queue does not know of."""
        queue = self.bus.scan(subjects.DELIVER.name)
        keys = [WakeUp.model_validate_json(one.data).key async for one in queue]
        known = Counter(key.number for key in keys if key.plan == plan)
        count = (await self.ledger.plan(plan)).value.count
        return set(range(count)) - set(known)


@pytest.fixture
def crashing_planners(bus, tmp_path):
    return lambda count=READERS: CrashingPlanners(
        bus, tmp_path, StaticReaders(reader_ids(count)), ScriptedChannel()
    )


def key(released: StoredPublication) -> PlanKey:
    return PlanKey(EMAIL, released.publication.content_id, released.publication.revision)


@pytest.mark.promise("3.1")
@AFTER
async def test_a_planner_that_dies_at_any_call_is_succeeded(crashing_planners, bus, after):
    loa = crashing_planners()
    for call in range(1, 60):
        released = await loa.publish(a_publication(content_id=f"tin-{call}"))
        if not await loa.dies(crashing_bus(bus, call, after=after), released):
            assert call > 6, "every call was the last one once"
            return
        await loa.planner.on_publication(released)
        assert await loa.planned(key(released)) == reader_ids(READERS)
        assert await loa.unwoken(key(released)) == set()
    pytest.fail("the planning never ended")


@AFTER
async def test_readers_who_come_and_go_between_two_planners_are_planned_once_or_not_at_all(
    crashing_planners, bus, after
):
    loa = crashing_planners()
    for call in range(1, 60):
        loa.readers.ids = reader_ids(READERS)
        released = await loa.publish(a_publication(content_id=f"tin-{call}"))
        if not await loa.dies(crashing_bus(bus, call, after=after), released):
            return
        before = set(loa.readers.ids)
        loa.readers.ids = [*reader_ids(READERS)[::2], "a-new-one", "r000501x", "z-new-one"]
        await loa.planner.on_publication(released)
        planned = await loa.planned(key(released))
        assert planned == sorted(set(planned)), "sorted, nobody twice"
        assert set(planned) <= before | set(loa.readers.ids)
        assert before & set(loa.readers.ids) <= set(planned), "nobody left out who stayed"
        assert "z-new-one" in planned or await all_planned_before(loa, key(released))
    pytest.fail("the planning never ended")


async def all_planned_before(loa: CrashingPlanners, plan: PlanKey) -> bool:
    """Whether the first planner had already planned the last reader."""
    return await loa.planned(plan) == reader_ids(READERS)


@pytest.mark.promise("7.2")
@AFTER
async def test_a_correction_whose_planner_dies_anywhere_reaches_exactly_the_right_people(
    crashing_planners, bus, after
):
    """Those who got the old text, wherever they are now, and those who follow the item."""
    answers = {"r000001": Outcome(Verdict.FAILED, "550"), "r000002": Outcome(Verdict.DOUBT)}
    loa = crashing_planners(5)
    loa.provider.answer = lambda row: answers.get(row.id, Outcome(Verdict.DELIVERED))
    loa.provider.known = lambda row: Outcome(Verdict.UNKNOWN)
    for call in range(1, 80):
        loa.readers.ids = reader_ids(5)
        first = await loa.plan(content_id=f"tin-{call}")
        with pytest.raises(RetryLater):  # the doubt is looked into at once
            await loa.work(first)
        await loa.work(first)
        loa.readers.ids = ["r000000", "r000001", "r000009"]
        second = await loa.publish(
            a_publication(
                content_id=f"tin-{call}", revision=2, action="corrected", corrects_revision=1
            )
        )
        died = await loa.dies(crashing_bus(bus, call, after=after), second)
        await loa.plan_until_done(loa.planner, second)
        rows = await loa.ledger.rows(BatchKey(*key(second), 0))
        assert rows.ids == (*reader_ids(5), "r000009")
        assert rows.corrections == {"r000000", "r000002", "r000003", "r000004"}
        assert await loa.unwoken(key(second)) == set()
        if not died:
            assert call > 10, "every call was the last one once"
            return
    pytest.fail("the planning never ended")


@pytest.mark.promise("7.3")
@AFTER
async def test_a_withdrawal_whose_planner_dies_anywhere_stops_the_older_plan_for_good(
    crashing_planners, bus, after
):
    """The older plan is half done: its first batch is delivered, the other was never planned."""
    loa = crashing_planners(700)
    for call in range(1, 80):
        item = {"content_id": f"tin-{call}"}
        first = await half_planned(loa, **item)
        await loa.work(first, 0)
        second = await loa.publish(a_publication(revision=2, action="withdrawn", **item))
        died = await loa.dies(crashing_bus(bus, call, after=after), second)
        await loa.plan_until_done(loa.planner, second)
        await resume(loa, first)
        assert await loa.planned(first) == reader_ids(500)
        assert await loa.planned(key(second)) == reader_ids(500)
        assert await loa.status_counts(first) == {Status.DELIVERED: 500}
        if not died:
            assert call > 10, "every call was the last one once"
            return
    pytest.fail("the planning never ended")


async def half_planned(loa: CrashingPlanners, **item) -> PlanKey:
    """A planner makes the plan, stores the first batch of two, wakes it, and dies."""
    released = await loa.publish(a_publication(**item))
    assert await loa.dies(crashing_bus(loa.bus, 3, after=True), released)
    assert (await loa.ledger.plan(key(released))).value.count == 1
    return key(released)


async def resume(loa: CrashingPlanners, plan: PlanKey) -> None:
    """The stream delivers the older publication once more."""
    message = (await loa.ledger.plan(plan)).value.source
    released = a_publication(content_id=plan.content_id)
    await loa.plan_until_done(loa.planner, StoredPublication(publication=released, seq=message))


# ---- two planners at once ---------------------------------------------------------------------


class ConcurrentPlanners(CrashingPlanners):
    """Another planner comes by while the first one is about to store its n-th chunk."""

    def planner_with_company(self, chunk: int, company) -> Dispatcher:
        planner = self.new_planner_on(self.bus)
        real, chunks = planner.ledger.bucket.batch, []

        async def batch(writes, **options):
            chunks.append(writes)
            if len(chunks) == chunk:
                await company(writes)
            return await real(writes, **options)

        planner.ledger.bucket.batch = batch
        return planner


@pytest.fixture
def concurrent_planners(bus, tmp_path):
    return ConcurrentPlanners(bus, tmp_path, StaticReaders(reader_ids(READERS)), ScriptedChannel())


@pytest.mark.parametrize("chunk", [1, 2])
@AFTER
async def test_batches_of_a_planner_that_died_beside_a_living_one_are_woken_by_that_one(
    concurrent_planners, bus, chunk, after
):
    """The other one stores a chunk and dies before it has woken the batches; nobody resumes it."""
    loa = concurrent_planners
    for call in range(1, 60):
        released = await loa.publish(a_publication(content_id=f"tin-{call}"))
        died: list[bool] = []

        async def company(writes, call=call, released=released, died=died):
            died.append(await loa.dies(crashing_bus(bus, call, after=after), released))

        await loa.planner_with_company(chunk, company).on_publication(released)
        assert await loa.planned(key(released)) == reader_ids(READERS)
        assert await loa.unwoken(key(released)) == set(), f"call {call}"
        if died == [False]:
            return
    pytest.fail("the other planner never lived")


async def test_a_chunk_that_lands_after_the_planner_gave_up_waiting_is_woken_all_the_same(
    concurrent_planners,
):
    """The answer is lost, the publication comes again, and only then the first chunk lands."""
    loa = concurrent_planners
    released = await loa.publish(a_publication())
    planner = loa.new_planner_on(loa.bus)
    real, underway = planner.ledger.bucket.batch, []

    async def silent(writes, **options):
        underway.append(writes)
        raise NoReply("no answer")

    planner.ledger.bucket.batch = silent
    with pytest.raises(NoReply):
        await planner.on_publication(released)

    async def overtaken(writes, **options):
        if underway:
            await real(underway.pop())
        return await real(writes, **options)

    planner.ledger.bucket.batch = overtaken
    await planner.on_publication(released)
    assert await loa.planned(key(released)) == reader_ids(READERS)
    assert await loa.unwoken(key(released)) == set()


@pytest.mark.promise("3.1")
async def test_many_planners_at_once_that_mostly_die_plan_everybody_once(crashing_planners, bus):
    loa = crashing_planners()
    released = await loa.publish(a_publication())

    async def one(call: int) -> bool:
        return await loa.dies(crashing_bus(bus, call, after=call % 2 == 0), released)

    died = await asyncio.gather(*map(one, range(3, 11)), return_exceptions=True)
    assert all(isinstance(one, bool | RevisionConflict | NoReply) for one in died)
    await loa.planner.on_publication(released)
    assert await loa.planned(key(released)) == reader_ids(READERS)
    assert await loa.unwoken(key(released)) == set()
