"""Every code on a template message, from the event to the ledger: what becomes of the row."""

from collections import Counter
from functools import partial

import pytest

from channels.zalo.connect import Stores
from channels.zalo.sandbox import shelf
from channels.zalo.shutters import SHUT_S
from consumers.ledger.entry import noticed
from consumers.notices.sent import BusSent
from consumers.settle import Later
from consumers.vault import BusNotebook, BusVault
from contracts import crash, keys, subjects
from contracts.delivery import BatchKey, Status
from tests.doors import an_event, open_door
from tests.notice_stage import BY_PHONE, LOST, PHONE, USER_ID, noticing, person
from tests.office import EMAIL, ZALO, Office
from tests.test_zalo_notice_codes import BUSINESS, lines
from tests.zalo_stage import Killed

CASE = keys.case_content_id(an_event("updated")["data"]["case_code"])
ENDS = {
    "U": Status.SUPPRESSED,
    "C": Status.FAILED,
    "A": Status.DEFERRED,
    "Q": Status.DEFERRED,
    "T": Status.DELIVERED,
    "D": Status.UNKNOWN,
}
ROUNDS = 6
OF_THE_DAY, OF_THE_TEMPLATE = -144, -147
"""What stops others, too: until a higher quota, for this process."""


class Case:
    """One dossier whose events are told on the real channel, or by mail."""

    def __init__(self, office, house):
        self.office, self.house = office, house
        self.number = 0
        self.contact = {}

    async def new_process(self):
        """The channel and its worker anew; nothing but what lies on the bus is remembered."""
        await self.house.start()
        self.office.providers[ZALO] = self.house.channel
        self.office.folder /= "next"
        self.office.workers[ZALO] = worker = self.office.worker(ZALO)
        worker.circuit.clock = self.house.clock

    async def happens(self):
        """The next event, to a person of its own, is taken in."""
        self.number += 1
        mine = self.contact or {"phone": self.phone(self.number), "email": "a@example.com"}
        contact = mine | {"consent": True}
        event = an_event("updated", id=f"e-{self.number}", contact=contact)
        answer = await self.office.accepted(event)
        assert answer["revision"] == self.number
        entry = noticed(self.number, answer["event_id"], self.house.clock())
        await self.office.notices.begin(self.batch(), entry)
        return self.number

    def phone(self, number):
        return f"849{number:08d}"

    def batch(self, channel=ZALO, number=None):
        return BatchKey(channel, CASE, number or self.number, 0)

    async def works(self, number, channel=ZALO):
        """Woken as the queue does, until there is nothing to do now."""
        for _ in range(ROUNDS):
            try:
                await self.office.work(channel, CASE, number)
            except Later as later:
                self.house.clock.advance(later.delay_s)
            else:
                break
        return await self.office.status(channel, CASE, number)

    async def due(self, number):
        return (await self.office.ledger.state(self.batch(ZALO, number))).value.due


@pytest.fixture
async def case(bus, clock, tmp_path):
    async with noticing(tmp_path, clock) as house, open_door(bus, clock) as door:
        stage = house.stage
        house.sent = BusSent(bus)
        notebook = BusNotebook(bus, stage.sandbox.settings.app_id)
        rates = BusVault(bus, subjects.CONTROL.name)
        stage.elsewhere = Stores(stage.vault, notebook, stage.key, rates, house.sent)
        case = Case(Office(bus, door, tmp_path, clock), house)
        await case.new_process()
        await house.templates.register(shelf.serving())
        yield case
        crash.arm(None)


async def test_every_code_ends_the_row_as_its_class_says_and_nobody_is_told_twice(case):
    """Who can't be reached on Zalo is told by mail; nobody else is; what waits goes in its time."""
    house, waiting = case.house, []
    for line in lines(BUSINESS):
        house.stage.fault(BY_PHONE, "refuse", code=line.code, words="no")
        number = await case.happens()
        assert await case.works(number) == ENDS[line.kind], line
        by_mail = await case.office.status(EMAIL, CASE, number)
        assert by_mail == (Status.PENDING if line.kind == "U" else None), line
        waiting += [number] if line.kind in "AQ" else []
        quiet_s = SHUT_S + 1 if line.kind == "A" else 0
        house.clock.advance(70 if line.rest == "minute" else quiet_s)
        if line.code == OF_THE_DAY:
            await house.templates.heard_quota(30_000, house.clock())
        if line.code == OF_THE_TEMPLATE:
            await case.new_process()
    assert len(waiting) > 40
    house.stage.sandbox.world.tokens.expires = 1e12
    due = {number: await case.due(number) for number in waiting}
    for number in sorted(waiting, key=lambda one: due[one]):
        house.clock.now = max(house.clock.now, due[number])
        assert await case.works(number) == Status.DELIVERED
    times = Counter(message["phone"] for message in house.messages)
    told = [n for n, line in enumerate(lines(BUSINESS), 1) if line.kind in "AQT"]
    assert times == Counter(case.phone(number) for number in told)


async def test_who_refuses_us_is_not_asked_again_and_gets_mail(case):
    case.phone = lambda number: "84912345678"
    case.house.stage.fault(BY_PHONE, "refuse", code=-141)
    first = await case.happens()
    assert await case.works(first) == Status.SUPPRESSED
    second = await case.happens()
    assert await case.works(second) == Status.SUPPRESSED
    assert case.house.messages == []
    assert await case.office.status(EMAIL, CASE, second) == Status.PENDING


async def test_two_hundred_answers_lost_after_their_effect_end_unknown_and_are_never_repeated(case):
    house = case.house
    house.stage.rules(per_minute=100_000)
    for turn in range(200):
        house.stage.fault(BY_PHONE, LOST[turn % len(LOST)], code=-100)
        number = await case.happens()
        assert await case.works(number) == Status.UNKNOWN
        assert await case.works(number) == Status.UNKNOWN
        assert await case.office.status(EMAIL, CASE, number) is None, "nobody is told twice"
    times = Counter(message["tracking_id"] for message in house.messages)
    assert (len(times), set(times.values())) == (200, {1})


async def test_a_template_that_is_approved_late_lets_its_rows_go(case):
    """Forty notices wait while Zalo's people look at the template."""
    house = case.house
    await house.set_template("2", status="PENDING_REVIEW")
    numbers = [await case.happens() for _ in range(40)]
    for number in numbers:
        assert await case.works(number) == Status.DEFERRED
    await house.templates.heard(shelf.serving()["2"], state="ENABLE")
    house.clock.now = max([await case.due(number) for number in numbers]) + 1
    await house.set_template("2", status="ENABLE")
    for number in numbers:
        assert await case.works(number) == Status.DELIVERED
    assert len(house.messages) == 40


async def test_at_the_cap_the_rows_wait_for_the_next_day_and_zalo_is_not_called(case):
    case.house.channel.notices.purse.caps.today.limit = 4000
    numbers = [await case.happens() for _ in range(8)]
    ended = [await case.works(number) for number in numbers]
    assert ended == [Status.DELIVERED] * 5 + [Status.DEFERRED] * 3
    assert len(case.house.messages) == 5
    case.house.clock.now = max([await case.due(number) for number in numbers[5:]]) + 1
    case.house.stage.sandbox.world.tokens.expires = 1e12
    assert [await case.works(number) for number in numbers[5:]] == [Status.DELIVERED] * 3


@pytest.mark.parametrize(
    ("point", "messages", "ends"),
    [
        ("zalo.notice_due", 0, Status.UNKNOWN),
        ("zalo.notice_answered", 1, Status.UNKNOWN),
        ("zalo.notice_kept", 1, Status.DELIVERED),
    ],
)
@pytest.mark.parametrize("address", ["phone", "zalo_user_id"])
async def test_a_death_around_the_call_sends_nothing_twice(case, point, messages, ends, address):
    """The next process asks Zalo where it can; it never sends again."""
    person(case.house.stage)
    case.contact = {"phone": PHONE} if address == "phone" else {"zalo_user_id": USER_ID}
    number = await case.happens()
    crash.arm(partial(dying, point))
    with pytest.raises(Killed):
        await case.office.work(ZALO, CASE, number)
    crash.arm(None)
    await case.new_process()
    case.house.clock.advance(66)
    assert await case.works(number) == ends
    assert len(case.house.messages) == messages
    assert await case.house.used("notices") == 1


def dying(point, name):
    if name == point:
        raise Killed
