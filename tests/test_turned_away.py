"""A relay that will not hear of a few addresses stops nobody; one that turns all away is seen."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from channels.base import Outcome, Verdict
from channels.errors import Unreachable
from consumers import breaker
from consumers.breaker import Breaker, State
from consumers.circuit import Circuit
from consumers.guard import Guard
from consumers.lanes import Pass
from consumers.notices.persons import Notices
from consumers.readers.letters import Addressees, Letters
from consumers.readers.people import People
from consumers.settle import Later
from consumers.suppressions import Suppressions
from consumers.turned_away import ANYBODY, LATEST, READERS, Caller, Door, callers, mostly
from consumers.wake import WakeUp
from contracts import keys, subjects
from contracts.delivery import BatchKey, ChannelName, Lane, Status
from contracts.letter import Letter, LetterKind
from tests.mail_house import MailHouse
from tests.smtp_receiver import Receiver

EMAIL = ChannelName.EMAIL
NO = b"554 5.7.1 Recipient address rejected: Access denied"
AWAY = Outcome(Verdict.HELD, "554 5.7.1", 300.0, turned_away=True, code="5.7.1")
ENDED = Outcome(Verdict.FAILED, "554 5.7.1", turned_away=True, code="5.7.1")
OK, DOUBT = Outcome(Verdict.DELIVERED), Outcome(Verdict.DOUBT, "timeout")
GONE = Outcome(Verdict.FAILED, "550 5.1.1", code="5.1.1")


def readers(count, start=0):
    return [Caller(f"r{number}") for number in range(start, start + count)]


def strangers(count, start=0):
    return [Caller(f"letter-{number}", stranger=True) for number in range(start, start + count)]


def told(*parts):
    door = Door()
    for who, outcome in parts:
        door.note(dict.fromkeys(who, outcome))
    return door


# ---- the rules --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("parts", "shut"),
    [
        ([(readers(READERS - 1), AWAY)], False),
        ([(readers(READERS), AWAY)], True),
        ([(readers(READERS), AWAY), (readers(READERS, 50), OK)], False),
        ([(readers(READERS), OK), (readers(READERS + 1, 50), AWAY)], True),
        ([(readers(LATEST), OK), (readers(READERS, 200), AWAY)], False),
        ([(readers(LATEST), OK), (readers(LATEST // 2 + 1, 200), AWAY)], True),
        ([(readers(9), AWAY)] * 50, False),
        ([(strangers(ANYBODY - 1), ENDED)], False),
        ([(strangers(ANYBODY), ENDED)], True),
        ([(strangers(ANYBODY - 1), ENDED), (readers(1), OK)], False),
        ([(strangers(30), ENDED), (readers(1), OK), (strangers(30, 30), ENDED)], False),
        ([(strangers(30), ENDED), (readers(1), GONE), (strangers(30, 30), ENDED)], False),
        ([(strangers(30), ENDED), (readers(1), DOUBT), (strangers(30, 30), ENDED)], True),
        ([(readers(10), OK), (strangers(40), ENDED), (readers(10, 50), AWAY)], True),
    ],
)
def test_of_many_readers_most_shut_the_door_and_of_strangers_only_a_long_row(parts, shut):
    assert told(*parts).shut is shut


@given(st.lists(st.integers(0, 400), max_size=300), st.integers(1, ANYBODY - 1))
def test_strangers_reach_nothing_where_one_of_so_many_mails_is_taken(numbers, every):
    door = Door()
    for turn, number in enumerate(numbers):
        [who] = strangers(1, number)
        door.note({who: ENDED})
        if turn % every == 0:
            door.note({Caller("somebody"): OK})
        assert not door.shut
    assert len(door.seen) <= LATEST


def test_a_reader_is_known_by_id_and_a_letter_by_its_name():
    batch = BatchKey(EMAIL, "tin", 1, 0)
    assert callers(batch, ["a", "b", "c"], {2: AWAY}) == [Caller("c")]
    letter = batch._replace(content_id=keys.letter_content_id("somebody"))
    assert callers(letter, [""], {0: AWAY}) == [Caller(letter.content_id, stranger=True)]


@pytest.mark.parametrize(
    ("window", "speaks", "most"),
    [
        ([AWAY], None, True),
        ([ENDED], None, True),
        ([AWAY] * 25, None, True),
        ([AWAY] * 13 + [OK] * 12, True, True),
        ([AWAY, OK], True, False),
        ([AWAY, DOUBT, DOUBT], False, True),
        ([OK], True, False),
    ],
)
def test_whom_it_turns_away_says_nothing_of_the_channel_by_the_window(window, speaks, most):
    assert (breaker.mark(window), mostly(window)) == (speaks, most)


def test_after_a_strangers_probe_no_other_lane_waits_and_after_its_own_it_does():
    shy = breaker.trip(Breaker(), "a", "554", 100.0, shy=True)
    assert not breaker.due(shy, 101.0)
    assert [breaker.due(shy, 101.0, lane) for lane in Lane] == [True, False, True, True]
    tries = breaker.probe(shy, "a", 101.0, Lane.BULK)
    assert not breaker.due(tries, 101.0, Lane.URGENT), "one at a time"
    failed = breaker.fail(tries, "a", "554", 102.0)
    assert not any(breaker.due(failed, 103.0, lane) for lane in Lane)
    assert not breaker.succeed(tries, "a", 102.0).shy
    assert breaker.decode(breaker.encode(shy)) == shy


# ---- the guard --------------------------------------------------------------------------------


class Watch:
    """A guard, and the lanes that it woke."""

    def __init__(self, bus, clock):
        self.woken = []
        self.guard = Guard(Circuit(bus, EMAIL, clock), "a", self.wake, clock=clock)

    async def wake(self, _batch, lane):
        self.woken.append(lane)

    async def letters(self, count):
        for who in strangers(count):
            await self.guard.heard([ENDED], [who])


@pytest.fixture
def watch(bus, clock):
    return Watch(bus, clock)


async def test_a_letters_failed_probe_wakes_the_other_lanes_and_its_own_waits(watch, clock):
    await watch.letters(ANYBODY)
    assert (watch.guard.now.state, watch.guard.now.reason) == (State.OPEN, "554 5.7.1")
    clock.advance(6)
    permit = Pass(Lane.NOTICE)
    async with watch.guard.judged(permit):
        assert await watch.guard.lets(permit)
        for lane in (Lane.NORMAL, Lane.URGENT, Lane.NOTICE):
            watch.guard.wait_s(BatchKey(EMAIL, "tin", 1, lane.rank), lane)
        await watch.guard.heard([ENDED], strangers(1, 900))
    assert watch.guard.now.state is State.OPEN
    assert watch.woken == [Lane.URGENT, Lane.NORMAL]
    assert not await watch.guard.lets(Pass(Lane.NOTICE))
    assert await watch.guard.lets(Pass(Lane.NORMAL))
    await watch.guard.heard([OK], readers(1))
    assert watch.guard.now.is_closed


async def test_a_probe_that_is_mostly_turned_away_has_failed(watch, clock):
    await watch.guard.refused("away")
    clock.advance(5)
    assert await watch.guard.lets(Pass(Lane.URGENT))
    await watch.guard.heard([AWAY, AWAY, OK], readers(3))
    assert (watch.guard.now.state, watch.guard.now.failures) == (State.OPEN, 2)
    assert not await watch.guard.lets(Pass(Lane.URGENT)), "these were no strangers"


# ---- a worker before a relay ------------------------------------------------------------------


class Post(MailHouse):
    """It sends letters, too."""

    def __init__(self, bus, folder, count, port):
        super().__init__(bus, folder, count, port)
        people, notices = People(bus, b"a secret"), Notices(bus, self.ledger, self.waker)
        self.letters = Letters(bus, notices, people, self.clock)
        self.worker.addressees = Addressees(bus, Suppressions(bus, b"a secret for tests"))

    async def write(self, address, kind=LetterKind.CONFIRM) -> BatchKey:
        now = datetime.fromtimestamp(self.clock(), UTC)
        letter = Letter(
            kind=kind, address=address, path="/dang-ky/xac-nhan/abc",
            at=now, expires_at=now + timedelta(hours=72),
        )  # fmt: skip
        batch = BatchKey(EMAIL, await self.letters.send(letter), 1, 0)
        await self.worker.on_wake_up(WakeUp(batch=str(batch), lane=Lane.NOTICE))
        return batch

    async def breaker(self):
        return await self.circuit.change(lambda one: one)


@pytest.fixture
def house(bus, tmp_path):
    return lambda port, count=3: Post(bus, tmp_path, count, port)


def blocked(count):
    return {("RCPT", f"n{number}@blocked.example"): NO for number in range(count)}


async def test_letters_that_the_relay_turns_away_end_and_an_urgent_item_leaves_at_once(house):
    async with Receiver(script=blocked(20)) as receiver:
        loa = house(receiver.port)
        for number in range(20):
            batch = await loa.write(f"n{number}@blocked.example")
            entry = await loa.entry_of(batch)
            assert (entry.rows, entry.notes[0].reason) == (b"x", "554 5.7.1")
        assert (await loa.breaker()) == Breaker(), "it was never opened"
        assert not await loa.bus.bucket(subjects.NOTICES.name).keys(""), "and none is kept"
        urgent = await loa.plan(lane=Lane.URGENT)
        await loa.work(urgent, lane=Lane.URGENT)
        assert await loa.counts(urgent) == {Status.DELIVERED: 3}


@pytest.mark.parametrize("kind", LetterKind)
async def test_a_letter_that_can_be_asked_for_again_ends_and_one_that_tells_of_an_act_waits(
    house, kind
):
    async with Receiver(script=blocked(1)) as receiver:
        loa = house(receiver.port)
        entry = await loa.entry_of(await loa.write("n0@blocked.example", kind))
        told = {LetterKind.CHANGED, LetterKind.GOODBYE, LetterKind.ERASED}
        assert entry.rows == (b"r" if kind in told else b"x")
        assert (await loa.breaker()).is_closed


async def test_letters_alone_show_at_last_that_all_are_refused_and_an_item_need_not_wait(house):
    async with Receiver(always={"RCPT": NO}) as receiver:
        loa = house(receiver.port)
        for number in range(ANYBODY):
            assert (await loa.breaker()).is_closed
            await loa.write(f"n{number}@blocked.example")
        assert (await loa.breaker()).state is State.OPEN
        with pytest.raises(Later):
            await loa.write("another@example.com")
        receiver.always.clear()
        urgent = await loa.plan(lane=Lane.URGENT)
        await loa.work(urgent, lane=Lane.URGENT)
        assert await loa.counts(urgent) == {Status.DELIVERED: 3}
        assert (await loa.breaker()).is_closed


async def test_a_relay_that_turns_every_reader_away_opens_the_breaker_and_fails_nobody(house):
    async with Receiver(always={"RCPT": b"554 5.7.1 Relay access denied"}) as receiver:
        loa = house(receiver.port, 100)
        plan = await loa.plan(content_id="tin")
        with pytest.raises(Later):
            await loa.work(plan)
        assert not (await loa.breaker()).is_closed
        assert receiver.number < READERS, "and the others are not tried"
        assert set(await loa.counts(plan)) == {Status.DEFERRED, Status.PENDING}
        receiver.always.clear()
        await loa.run(plan)
        assert await loa.counts(plan) == {Status.DELIVERED: 100}
        assert (await loa.breaker()).is_closed


async def test_a_reader_who_is_turned_away_waits_alone_and_the_batch_goes_on(house):
    async with Receiver(script={("RCPT", "r000001@example.com"): NO}) as receiver:
        loa = house(receiver.port, 100)
        plan = await loa.plan()
        await loa.work(plan)
        assert await loa.counts(plan) == {Status.DELIVERED: 99, Status.DEFERRED: 1}
        assert (await loa.breaker()).is_closed


async def test_a_relay_that_is_away_is_away_for_letters_too(house):
    async with Receiver() as receiver:
        loa = house(receiver.port)

        async def away():
            raise Unreachable("no connection")

        loa.provider.pool.open = away
        with pytest.raises(Later):
            await loa.write("an@example.com")
        assert not (await loa.breaker()).shy
