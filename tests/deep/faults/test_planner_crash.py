"""A planner dies at any call to the bus: the next one plans every reader once.

Every batch has its wake-up when the publication is done with, whichever planner made it.
"""

import asyncio

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
from tests.support.crashing_bus import SimulatedCrash, crashing_bus, dying_buses
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

    async def planned(self, released: StoredPublication) -> list[str]:
        """Every recipient, batch by batch; each batch has its wake-up."""
        plan = key(released)
        cursor = (await self.ledger.plan(plan)).value
        assert cursor.complete or cursor.halt
        batches = [BatchKey(*plan, number) for number in range(cursor.count)]
        lists = [(await self.ledger.rows(batch)).ids for batch in batches]
        assert cursor.planned == sum(map(len, lists))
        assert await self.ledger.state(BatchKey(*plan, cursor.count)) is None, "an orphan"
        queue = self.bus.scan(subjects.DELIVER.name)
        woken = {WakeUp.model_validate_json(message.data).key async for message in queue}
        assert set(batches) <= woken
        return [id for ids in lists for id in ids]


@pytest.fixture
def crashing_planners(bus, tmp_path):
    return lambda count=READERS: CrashingPlanners(
        bus, tmp_path, StaticReaders(reader_ids(count)), ScriptedChannel()
    )


def key(released: StoredPublication) -> PlanKey:
    return PlanKey(EMAIL, released.publication.content_id, released.publication.revision)


@pytest.mark.promise("3.1")
@AFTER
@pytest.mark.parametrize("restless", [False, True])
async def test_a_planner_that_dies_anywhere_is_succeeded(crashing_planners, bus, after, restless):
    """Readers who come and go meanwhile are planned once or not at all."""
    loa = crashing_planners()
    for call, dying in enumerate(dying_buses(bus, after=after, fewest=6)):
        before = loa.readers.ids = reader_ids(READERS)
        released = await loa.publish(a_publication(content_id=f"tin-{call}"))
        await loa.dies(dying, released)
        if restless:
            loa.readers.ids = [*before[::2], "a-new-one", "r000501x", "z-new-one"]
        await loa.planner.on_publication(released)
        planned = await loa.planned(released)
        assert planned == sorted(set(planned)), "sorted, nobody twice"
        assert {*before} & {*loa.readers.ids} <= {*planned} <= {*before, *loa.readers.ids}
        assert planned == before or loa.readers.ids[-1] in planned


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
    for call, dying in enumerate(dying_buses(bus, after=after, fewest=10)):
        loa.readers.ids = reader_ids(5)
        first = await loa.plan(content_id=f"tin-{call}")
        with pytest.raises(RetryLater):  # the doubt is looked into at once
            await loa.work(first)
        await loa.work(first)
        loa.readers.ids = ["r000000", "r000001", "r000009"]
        correction = {"revision": 2, "action": "corrected", "corrects_revision": 1}
        second = await loa.publish(a_publication(content_id=f"tin-{call}", **correction))
        await loa.dies(dying, second)
        await loa.plan_until_done(loa.planner, second)
        assert await loa.planned(second) == [*reader_ids(5), "r000009"]
        rows = await loa.ledger.rows(BatchKey(*key(second), 0))
        assert rows.corrections == {"r000000", "r000002", "r000003", "r000004"}


@pytest.mark.promise("7.3")
@AFTER
async def test_a_withdrawal_whose_planner_dies_anywhere_stops_the_older_plan_for_good(
    crashing_planners, bus, after
):
    """The older plan is half done: its first batch is delivered, the other was never planned."""
    loa = crashing_planners(700)
    for call, dying in enumerate(dying_buses(bus, after=after, fewest=10)):
        item = {"content_id": f"tin-{call}"}
        first = await loa.publish(a_publication(**item))
        assert await loa.dies(crashing_bus(bus, 3, after=True), first)
        assert (await loa.ledger.plan(key(first))).value.count == 1
        await loa.work(key(first), 0)
        second = await loa.publish(a_publication(revision=2, action="withdrawn", **item))
        await loa.dies(dying, second)
        await loa.plan_until_done(loa.planner, second)
        await loa.plan_until_done(loa.planner, first)  # the stream delivers it once more
        assert await loa.planned(first) == await loa.planned(second) == reader_ids(500)
        assert await loa.status_counts(key(first)) == {Status.DELIVERED: 500}


# ---- two planners at once ---------------------------------------------------------------------


def before_batch(planner: Dispatcher, number: int, company) -> Dispatcher:
    """Let *company* come by before *planner* stores its n-th chunk; it may store something."""
    real, chunks = planner.ledger.bucket.batch, []

    async def batch(writes, **options):
        chunks.append(writes)
        if len(chunks) == number:
            await company(real, writes)
        return await real(writes, **options)

    planner.ledger.bucket.batch = batch
    return planner


@pytest.mark.parametrize("chunk", [1, 2])
@AFTER
async def test_batches_of_a_planner_that_died_beside_a_living_one_are_woken_by_that_one(
    crashing_planners, bus, chunk, after
):
    """The other one stores a chunk and dies before it has woken the batches; it is not resumed."""
    loa = crashing_planners()
    for call, dying in enumerate(dying_buses(bus, after=after, fewest=1)):
        released = await loa.publish(a_publication(content_id=f"tin-{call}"))

        async def company(_store, _writes, dying=dying, released=released):
            await loa.dies(dying, released)

        planner = before_batch(loa.new_planner_on(bus), chunk, company)
        await planner.on_publication(released)
        assert await loa.planned(released) == reader_ids(READERS), f"call {call}"


@pytest.mark.catches(bug="no-wakes-after-conflict")
async def test_a_chunk_that_lands_after_its_planner_gave_up_is_woken(crashing_planners, bus):
    """The answer is lost, the publication comes again, and only then the first chunk lands."""
    loa = crashing_planners()
    released, late = await loa.publish(a_publication()), []

    async def lose(_store, writes):
        late.append(writes)
        raise NoReply("no answer")

    async def land(store, _writes):
        await store(late.pop())

    planner = before_batch(loa.new_planner_on(bus), 1, lose)
    with pytest.raises(NoReply):
        await planner.on_publication(released)
    await before_batch(loa.new_planner_on(bus), 1, land).on_publication(released)
    assert await loa.planned(released) == reader_ids(READERS)


@pytest.mark.promise("3.1")
async def test_many_planners_at_once_that_mostly_die_plan_everybody_once(crashing_planners, bus):
    loa = crashing_planners()
    released = await loa.publish(a_publication())
    dying = [crashing_bus(bus, call, after=call % 2 == 0) for call in range(3, 11)]
    deaths = await asyncio.gather(
        *(loa.dies(each, released) for each in dying), return_exceptions=True
    )
    assert all(isinstance(death, bool | RevisionConflict | NoReply) for death in deaths)
    await loa.planner.on_publication(released)
    assert await loa.planned(released) == reader_ids(READERS)
