"""Planning and delivering on a real bus: who gets what, once, whatever comes between."""

import asyncio
from dataclasses import dataclass, field

import pytest

from channels.base import Outcome, Verdict
from channels.errors import Unreachable
from consumers import circuit
from consumers.audience import Subscribers
from consumers.circuit import Circuit
from consumers.deliver import Deliver
from consumers.dispatch import Dispatch, Released
from consumers.fence import Fence
from consumers.lanes import Gate
from consumers.ledger import moves
from consumers.ledger.store import Ledger, Silence
from consumers.library import Library
from consumers.settle import Later
from consumers.slots import Slot
from consumers.wake import Waker, WakeUp
from contracts import publication as publications
from contracts import subjects
from contracts.delivery import BatchKey, ChannelName, Lane, PlanKey, Status
from contracts.publication import Publication
from producers.bus import Bus
from tests.builders import a_publication
from tests.fakes import Clock, People, Provider, people

EMAIL = ChannelName.EMAIL


@dataclass
class Released_:
    """The positions that tests have released."""

    known: dict[str, list[int]] = field(default_factory=dict)

    async def positions(self, content_id: str) -> list[int]:
        return self.known.get(content_id, [])

    async def overtaken(self, content_id: str, revision: int) -> str:
        return ""


class House:
    """One channel's planner and worker, wired as the composition root does."""

    def __init__(self, bus: Bus, folder, readers: People, provider: Provider | None = None):
        self.bus, self.readers, self.folder = bus, readers, folder
        self.provider = provider or Provider()
        self.clock = Clock()
        self.circuit = Circuit(bus, EMAIL, self.clock)
        self.ledger, self.waker = Ledger(bus), Waker(bus)
        self.released = Released_()
        self.fence = Fence(self.ledger, self.waker, self.clock)
        self.planner = Dispatch(
            EMAIL, self.ledger, self.waker, self.fence, self.released,
            Subscribers(readers), Gate(3), clock=self.clock,
        )  # fmt: skip
        self.worker = self.a_worker()

    def a_worker(self) -> Deliver:
        library = Library(self.bus, self.ledger, self.provider.render)
        return Deliver(
            self.provider, self.ledger, library, self.readers, self.waker,
            Gate(self.provider.connections), Slot(self.folder, "email"), self.circuit,
            clock=self.clock,
        )  # fmt: skip

    async def publish(self, publication: Publication) -> Released:
        subject = subjects.publication(publication.topic, publication.content_id)
        ack = await self.bus.publish(subject, publications.encode(publication))
        self.released.known.setdefault(publication.content_id, []).append(publication.revision)
        return Released(publication=publication, seq=ack.seq)

    async def plan(self, **changes) -> PlanKey:
        released = await self.publish(a_publication(**changes))
        await self.planner.on_publication(released)
        return PlanKey(EMAIL, released.publication.content_id, released.publication.revision)

    async def work(self, plan: PlanKey, number: int = 0, lane: Lane = Lane.NORMAL) -> None:
        await self.worker.on_wake_up(WakeUp(batch=str(BatchKey(*plan, number)), lane=lane))

    async def work_all(self, plan: PlanKey) -> None:
        for number in range((await self.ledger.plan(plan)).value.count):
            await self.work(plan, number)

    async def counts(self, plan: PlanKey) -> dict[Status, int]:
        total: dict[Status, int] = {}
        cursor = (await self.ledger.plan(plan)).value
        async for _, held in self.ledger.entries(plan, cursor):
            for status, count in held.value.count().items():
                total[status] = total.get(status, 0) + count
        return total

    async def entry(self, plan: PlanKey, number: int = 0):
        return (await self.ledger.state(BatchKey(*plan, number))).value


@pytest.fixture
def house(bus, tmp_path):
    return lambda count=3, **kw: House(bus, tmp_path, People(people(count)), Provider(**kw))


async def wake_ups(bus: Bus) -> int:
    return (await bus.stream_info("DELIVER"))["state"]["messages"]


async def test_everybody_gets_the_item_once(house, bus):
    loa = house(1203)
    plan = await loa.plan()
    cursor = (await loa.ledger.plan(plan)).value
    assert (cursor.count, cursor.planned, cursor.total, cursor.complete) == (3, 1203, 1203, True)
    assert await wake_ups(bus) == 3
    await loa.work_all(plan)
    assert await loa.counts(plan) == {Status.DELIVERED: 1203}
    assert sorted(loa.provider.got.values()) == [1] * 1203
    assert max(loa.provider.windows) == 25


async def test_planning_again_plans_nobody_twice(house, bus):
    loa = house(700)
    released = await loa.publish(a_publication())
    for _ in range(3):
        await loa.planner.on_publication(released)
    plan = PlanKey(EMAIL, released.publication.content_id, 1)
    assert (await loa.ledger.plan(plan)).value.planned == 700
    assert await wake_ups(bus) == 2, "the queue absorbs repeated wake-ups"


async def test_two_planners_at_once_plan_everybody_once(house):
    loa = house(2600)
    released = await loa.publish(a_publication())
    await asyncio.gather(*(loa.planner.on_publication(released) for _ in range(3)))
    plan = PlanKey(EMAIL, released.publication.content_id, 1)
    await loa.work_all(plan)
    assert sorted(loa.provider.got.values()) == [1] * 2600


async def test_an_item_that_nobody_follows_is_planned_and_complete(house):
    loa = house(0)
    plan = await loa.plan()
    cursor = (await loa.ledger.plan(plan)).value
    assert (cursor.count, cursor.complete) == (0, True)


async def test_nothing_is_planned_before_its_time(house):
    loa = house()
    start = a_publication().released_at.replace(year=2028)
    released = await loa.publish(a_publication(not_before=start))
    with pytest.raises(Later) as later:
        await loa.planner.on_publication(released)
    assert 0 < later.value.delay_s <= 600
    loa.clock.now = start.timestamp()
    await loa.planner.on_publication(released)
    assert (await loa.ledger.plan(PlanKey(EMAIL, "lich-nghi-tet-2027", 1))).value.complete


async def test_a_channel_that_is_not_named_plans_nothing(house):
    loa = house()
    plan = await loa.plan(channels=["portal"])
    assert await loa.ledger.plan(plan) is None


async def test_a_busy_relay_is_asked_again_and_the_reader_gets_one_copy(house, bus):
    later = [Outcome(Verdict.DEFERRED, "451 4.7.1")]
    loa = house(1, answer=lambda row: later.pop() if later else Outcome(Verdict.DELIVERED))
    plan = await loa.plan()
    await loa.work(plan)
    entry = await loa.entry(plan)
    assert (entry.rows, entry.notes[0].reason) == (b"r", "451 4.7.1")
    assert entry.due == loa.clock() + 5
    assert await wake_ups(bus) == 2, "the first wake-up and the scheduled one"
    await loa.work(plan)
    assert (await loa.entry(plan)).rows == b"r", "too early: nothing is sent"
    loa.clock.forward(5)
    await loa.work(plan)
    assert (await loa.entry(plan)).rows == b"d"
    assert list(loa.provider.got.values()) == [1]


async def test_a_reader_who_left_is_suppressed(house):
    loa = house(3)
    plan = await loa.plan()
    loa.readers.gone = {"r000001"}
    await loa.work(plan)
    assert (await loa.entry(plan)).rows == b"dud"


async def test_an_item_whose_time_is_over_expires(house):
    loa = house(2)
    plan = await loa.plan(expires_at="2027-02-01T00:00:00Z")
    loa.clock.now = 1_801_600_000
    await loa.work(plan)
    assert await loa.counts(plan) == {Status.EXPIRED: 2}
    assert not loa.provider.got


async def test_a_relay_that_is_down_leaves_the_batch_untouched(house):
    loa = house(2, down=Unreachable("connect", retry_after_s=7))
    plan = await loa.plan()
    with pytest.raises(Later) as later:
        await loa.work(plan)
    assert later.value.delay_s == 1, "from then on the breaker says when"
    entry = await loa.entry(plan)
    assert (entry.rows, entry.owner) == (b"pp", "")
    assert await circuit.tripped(loa.bus) == {EMAIL}


async def test_a_lost_connection_gives_the_rest_of_the_batch_back(house):
    loa = house(60)
    lost = iter(
        [
            *[Outcome(Verdict.DELIVERED)] * 30,
            Outcome(Verdict.DOUBT),
            *[Outcome(Verdict.UNSENT)] * 19,
        ]
    )
    loa.provider.answer = lambda row: next(lost, Outcome(Verdict.DELIVERED))
    plan = await loa.plan()
    with pytest.raises(Later):
        await loa.work(plan)
    assert await loa.counts(plan) == {Status.DELIVERED: 30, Status.IN_DOUBT: 1, Status.PENDING: 29}
    await loa.work(plan)
    entry = await loa.entry(plan)
    assert entry.count() == {Status.DELIVERED: 60}
    assert entry.copies == 1, "the row in doubt was sent again and is declared"


async def test_a_doubt_that_only_a_person_can_end_is_never_sent_again(house):
    loa = house(1, answer=lambda row: Outcome(Verdict.DOUBT))
    loa.provider.known = lambda row: Outcome(Verdict.UNKNOWN)
    plan = await loa.plan()
    with pytest.raises(Later):
        await loa.work(plan)
    assert (await loa.entry(plan)).rows == b"P"
    await loa.work(plan)
    assert (await loa.entry(plan)).rows == b"K"
    assert loa.provider.windows == [1]


async def test_a_living_owner_is_left_alone_and_a_dead_one_replaced(house):
    loa = house(2)
    plan = await loa.plan()
    batch = BatchKey(*plan, 0)
    held = await loa.ledger.state(batch)
    mine = moves.claim(
        held.value,
        "other.email.0#aa#1",
        loa.clock(),
        loa.worker.rules(await loa.worker.library.edition(plan)),
    )
    mine, _ = moves.grant(
        mine, [0], loa.clock(), loa.worker.rules(await loa.worker.library.edition(plan))
    )
    await loa.ledger.swap(batch, held, mine, until=float("inf"))
    with pytest.raises(Later) as later:
        await loa.work(plan)
    assert later.value.delay_s == 65, "the rest of the lease and the margin for skewed clocks"
    loa.clock.forward(66)
    await loa.work(plan)
    entry = await loa.entry(plan)
    assert (entry.rows, entry.copies) == (b"Dd", 1)


async def test_a_restarted_worker_takes_its_own_batch_at_once(house, bus):
    loa = house(2)
    plan = await loa.plan()
    batch = BatchKey(*plan, 0)
    dead = loa.worker.slot
    held = await loa.ledger.state(batch)
    rules = loa.worker.rules(await loa.worker.library.edition(plan))
    claimed = moves.claim(held.value, dead.token(), loa.clock(), rules)
    await loa.ledger.swap(
        batch, held, moves.grant(claimed, [0, 1], loa.clock(), rules)[0], until=float("inf")
    )
    with dead.working(batch):
        dead_file = dead.read()
    dead.close()
    (loa.folder / "email-0").write_text(dead_file)
    loa.worker = loa.a_worker()
    assert loa.worker.slot.left == [batch]
    before = await wake_ups(bus)
    await loa.worker.recover()
    assert await wake_ups(bus) == before + 1
    await loa.work(plan)
    assert await loa.counts(plan) == {Status.DELIVERED: 2}
    assert (await loa.entry(plan)).copies == 2


async def test_a_halt_stops_a_running_batch_after_its_window_and_the_books_are_exact(house):
    loa = house(100)
    loa.provider.hold = asyncio.Event()
    plan = await loa.plan()
    running = asyncio.create_task(loa.work(plan))
    while not loa.provider.windows:
        await asyncio.sleep(0)
    await loa.fence.halt(plan, "w2")
    loa.provider.hold.set()
    await running
    assert await loa.counts(plan) == {Status.DELIVERED: 25, Status.WITHDRAWN: 75}
    assert sum(loa.provider.got.values()) == 25


async def test_an_urgent_batch_makes_a_bulk_one_step_aside(house):
    loa = house(500, connections=1)
    loa.worker.gate = Gate(1, reserved=0)
    bulk = await loa.plan(lane="bulk")
    urgent = await loa.plan(content_id="canh-bao", lane="urgent")
    loa.provider.hold = asyncio.Event()
    running = asyncio.create_task(loa.work(bulk, lane=Lane.BULK))
    while not loa.provider.windows:
        await asyncio.sleep(0)
    overtaking = asyncio.create_task(loa.work(urgent, lane=Lane.URGENT))
    while not loa.worker.gate.waiting:
        await asyncio.sleep(0)
    loa.provider.hold.set()
    with pytest.raises(Later):
        await running
    await overtaking
    assert [key for key, _ in loa.provider.arrivals[:25]] == ["lich-nghi-tet-2027.1"] * 25
    assert {key for key, _ in loa.provider.arrivals[25:]} == {"canh-bao.1"}
    await loa.work(bulk, lane=Lane.BULK)
    assert sorted(loa.provider.got.values()) == [1] * 1000


async def test_a_correction_waits_for_the_older_text_and_goes_to_all_who_got_it(house):
    loa = house(4)
    first = await loa.plan()
    answers = {
        "r000000": Outcome(Verdict.DELIVERED),
        "r000001": Outcome(Verdict.FAILED, "550 5.1.1"),
        "r000002": Outcome(Verdict.DOUBT),
    }
    loa.provider.answer = lambda row: answers.get(
        row.id, Outcome(Verdict.HELD, "slow", after_s=600)
    )
    loa.provider.known = lambda row: Outcome(Verdict.DOUBT, after_s=900)
    with pytest.raises(Later):
        await loa.work(first)
    await loa.work(first)
    loa.readers.ids = ["r000003", "r000009"]
    loa.clock.forward(0.5)
    correction = await loa.publish(
        a_publication(revision=2, action="corrected", corrects_revision=1)
    )
    with pytest.raises(Later):
        await loa.planner.on_publication(correction)
    assert await loa.counts(first) == {
        Status.DELIVERED: 1,
        Status.FAILED: 1,
        Status.MAYBE_SENT: 1,
        Status.SUPERSEDED: 1,
    }
    loa.clock.forward(2)
    await loa.planner.on_publication(correction)
    rows = await loa.ledger.rows(BatchKey(*first._replace(revision=2), 0))
    assert rows.ids == ("r000000", "r000002", "r000003", "r000009")
    assert rows.corrections == {"r000000", "r000002"}


async def test_a_scheduled_text_is_never_sent_once_a_correction_dropped_the_channel(house):
    loa = house(3)
    start = a_publication().released_at.replace(year=2028)
    first = await loa.publish(a_publication(not_before=start))
    with pytest.raises(Later):
        await loa.planner.on_publication(first)
    await loa.plan(revision=2, action="corrected", corrects_revision=1, channels=["portal"])
    loa.clock.now = start.timestamp()
    await loa.planner.on_publication(first)
    assert (await loa.ledger.plan(PlanKey(EMAIL, "lich-nghi-tet-2027", 1))).value.planned == 0


async def test_what_was_sent_is_booked_even_when_the_next_addresses_are_not_to_be_had(house):
    loa = house(50)
    plan = await loa.plan()
    lookup, asked = loa.readers.lookup, []

    def stale(ids):
        asked.append(ids)
        if len(asked) == 2:
            raise Later(0.5, "the directory is not fresh")
        return lookup(ids)

    loa.readers.lookup = stale
    with pytest.raises(Later):
        await loa.work(plan)
    assert await loa.counts(plan) == {Status.DELIVERED: 25, Status.PENDING: 25}
    await loa.work(plan)
    assert sorted(loa.provider.got.values()) == [1] * 50
    assert (await loa.entry(plan)).copies == 0


@pytest.mark.parametrize("between", ["nothing", "the bus is silent once more", "no relay"])
async def test_what_was_sent_while_the_bus_was_silent_is_booked_when_it_answers_again(
    house, between
):
    loa = house(50)
    plan = await loa.plan()
    swap, writes = loa.ledger.bucket.swap, []

    async def silent(key, data, revision, **more):
        writes.append(key)
        if len(writes) >= 3 and loa.silent:
            raise Silence("no answer")
        return await swap(key, data, revision, **more)

    loa.silent, loa.ledger.bucket.swap = True, silent
    loa.worker.lease_s, loa.provider.request_timeout_s = 0.2, 0
    with pytest.raises(Silence):
        await loa.work(plan)
    if between == "the bus is silent once more":
        with pytest.raises(Silence):
            await loa.work(plan)
    loa.silent = False
    loa.worker.lease_s = 60
    if between == "no relay":
        loa.provider.down = Unreachable("connect")
        with pytest.raises(Later):
            await loa.work(plan)
        loa.provider.down = None
        loa.clock.forward(5 + Lane.NORMAL.rank)
    await loa.work(plan)
    assert sorted(loa.provider.got.values()) == [1] * 50
    assert (await loa.entry(plan)).copies == 0


@pytest.mark.parametrize("stands", [False, True], ids=["it is lost", "it stands"])
async def test_rows_whose_first_write_has_no_answer_were_surely_not_sent(house, stands):
    """It makes us the owner and says that the first window is about to be sent."""
    loa = house(30)
    plan = await loa.plan()
    swap, state, tried = loa.ledger.bucket.swap, loa.ledger.state, []

    async def silent(key, data, revision, **more):
        if stands and not tried:
            await swap(key, data, revision, **more)
        tried.append(key)
        loa.ledger.state = deaf
        raise Silence("no answer")

    async def deaf(batch):
        raise Silence("no answer")

    loa.ledger.bucket.swap, loa.worker.lease_s = silent, 0.2
    with pytest.raises(Silence):
        await loa.work(plan)
    loa.ledger.bucket.swap, loa.ledger.state, loa.worker.lease_s = swap, state, 60
    assert (b"s" in (await loa.entry(plan)).rows, loa.provider.got) == (stands, {})
    await loa.work(plan)
    assert sorted(loa.provider.got.values()) == [1] * 30
    assert (await loa.entry(plan)).copies == 0


async def test_a_batch_whose_time_is_over_ends_although_the_relay_is_away(house):
    loa = house(2, down=Unreachable("connect"))
    plan = await loa.plan(expires_at="2027-02-01T00:00:00Z")
    loa.clock.now = 1_801_600_000
    await loa.work(plan)
    assert await loa.counts(plan) == {Status.EXPIRED: 2}


async def test_a_stop_ends_the_window_after_the_mail_on_the_wire(house):
    loa = house(25)

    def answer(row):
        loa.worker.stop()
        return Outcome(Verdict.DELIVERED)

    loa.provider.answer = answer
    plan = await loa.plan()
    with pytest.raises(Later):
        await loa.work(plan)
    assert await loa.counts(plan) == {Status.DELIVERED: 1, Status.PENDING: 24}


async def test_a_withdrawal_goes_to_exactly_those_it_reached(house):
    loa = house(3)
    first = await loa.plan()
    loa.readers.gone = {"r000001"}
    await loa.work(first)
    second = await loa.plan(revision=2, action="withdrawn", reason="Nhầm nội dung")
    assert (await loa.ledger.rows(BatchKey(*second, 0))).ids == ("r000000", "r000002")


async def test_a_correction_that_drops_the_channel_still_reaches_those_who_got_the_wrong_text(
    house,
):
    loa = house(3)
    first = await loa.plan()
    await loa.work(first)
    loa.readers.ids.append("r000009")
    second = await loa.plan(
        revision=2, action="corrected", corrects_revision=1, channels=["portal"]
    )
    rows = await loa.ledger.rows(BatchKey(*second, 0))
    assert rows.ids == ("r000000", "r000001", "r000002")
    assert rows.corrections == set(rows.ids)


async def test_an_older_revision_that_comes_late_plans_nothing(house):
    loa = house(2)
    old = await loa.publish(a_publication())
    await loa.plan(revision=2, action="corrected", corrects_revision=1)
    await loa.planner.on_publication(old)
    cursor = (await loa.ledger.plan(PlanKey(EMAIL, "lich-nghi-tet-2027", 1))).value
    assert (cursor.halt, cursor.count) == ("v2", 0)


async def test_a_slow_provider_keeps_its_lease(house):
    loa = house(1)
    loa.worker.lease_s = 0.1
    loa.provider.request_timeout_s = 0
    loa.provider.hold = asyncio.Event()
    plan = await loa.plan()
    running = asyncio.create_task(loa.work(plan))
    writes = set()
    while len(writes) < 4:
        await asyncio.sleep(0.01)
        writes.add((await loa.entry(plan)).write)
    loa.provider.hold.set()
    await running
    assert (await loa.entry(plan)).rows == b"d"
