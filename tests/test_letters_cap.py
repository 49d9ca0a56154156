"""All strangers together cause so many letters an hour; whoever gets none for that is told so."""

import asyncio
from collections import Counter
from datetime import UTC, datetime

import pytest
import structlog

from consumers.readers.cap import HOUR_S, KEY, Cap
from consumers.readers.letters import A_DAY
from contracts import keys, subjects
from contracts.letter import LetterKind, NoLetterNow
from producers.bus import Silence
from producers.pages.limits import BURST
from tests.conftest import Clock
from tests.reader_house import ADDRESS, KNOWN, House, a_form, act, title
from tests.test_letters import a_letter

NOON = datetime(2026, 11, 26, 5, tzinfo=UTC)
LATER = "Xin Quý vị thử lại sau"
AT_ONCE, PROCESSES = 400, 3


@pytest.fixture
def clock():
    return Clock(NOON.timestamp())


@pytest.fixture
def house(bus, tmp_path, clock):
    return House(bus, tmp_path, clock)


def capped(bus, folder, clock, per_hour):
    return House(bus, folder, clock, per_hour=per_hour)


async def taken(cap):
    try:
        await cap.take()
    except NoLetterNow:
        return False
    return True


async def refusal(letters, letter):
    with pytest.raises(NoLetterNow) as refused:
        await letters.send(letter)
    return refused.value


async def counted(bus):
    held = await bus.bucket(subjects.CONTROL.name).get(KEY)
    return held.data if held else b""


@pytest.mark.parametrize("most", [1000, AT_ONCE, 150, 1])
async def test_many_at_once_get_what_there_is_and_not_one_more(bus, clock, most):
    caps = [Cap(bus, most, clock) for _ in range(PROCESSES)]
    said = await asyncio.gather(*(taken(caps[n % PROCESSES]) for n in range(AT_ONCE)))
    assert said.count(True) == min(most, AT_ONCE)
    late = await asyncio.gather(*(taken(caps[n % PROCESSES]) for n in range(AT_ONCE)))
    assert said.count(True) + late.count(True) == min(most, 2 * AT_ONCE)


async def test_who_hangs_up_while_others_wait_takes_no_letter_along(bus, clock):
    cap = Cap(bus, 10, clock)
    waiting = [asyncio.create_task(taken(cap)) for _ in range(20)]
    await asyncio.sleep(0)
    for one in waiting[:8]:
        one.cancel()
    said = await asyncio.gather(*waiting, return_exceptions=True)
    more = [await taken(cap) for _ in range(10)]
    assert [*said, *more].count(True) == 10
    assert cap.waiting == 0


async def test_the_log_cries_once_and_the_next_hour_begins_anew(house, bus, clock):
    house.letters.cap = Cap(bus, 3, clock)
    clock.advance(600)
    with structlog.testing.capture_logs() as logs:
        for number in range(3):
            assert await house.letters.send(a_letter(address=f"an{number}@example.com"))
        for number in range(3, 5):
            refused = await refusal(house.letters, a_letter(address=f"an{number}@example.com"))
            assert refused.retry_s == pytest.approx(HOUR_S - 600)
    [cry] = [one for one in logs if one["event"] == "letters_capped"]
    assert (cry["log_level"], cry["per_hour"]) == ("error", 3)
    assert not await taken(Cap(bus, 3, clock)), "all processes share it"
    clock.advance(HOUR_S)
    assert await house.letters.send(a_letter(address="an9@example.com")) is not None


async def test_who_asks_for_one_address_again_and_again_uses_up_its_own_number_alone(
    house, bus, clock
):
    house.letters.cap = Cap(bus, A_DAY + 1, clock)
    for _ in range(3 * A_DAY):
        await house.letters.send(a_letter())
    assert await house.letters.send(a_letter(address=KNOWN)) is not None
    await refusal(house.letters, a_letter(address="an@example.com"))


async def test_a_letter_given_back_in_another_hour_is_not_that_hours(bus, clock):
    cap = Cap(bus, 2, clock)
    hour = await cap.take()
    clock.advance(HOUR_S)
    await cap.take()
    cap.give_back(hour)
    assert [await taken(cap) for _ in range(2)] == [True, False]


async def test_what_only_the_reader_causes_is_outside_the_cap_and_zero_is_none(house, bus, clock):
    house.letters.cap = Cap(bus, 1, clock)
    assert await house.letters.send(a_letter()) is not None
    await refusal(house.letters, a_letter(address=KNOWN))
    own = keys.letter_content_id("own", "this change")
    await house.letters.begin(own, a_letter(LetterKind.CHANGED))
    assert own in await house.waiting()
    house.letters.cap = Cap(bus, 0, clock)
    assert await house.letters.send(a_letter(address=KNOWN)) is not None


async def test_a_clock_that_was_set_back_makes_no_room(bus, clock):
    cap = Cap(bus, 1, clock)
    assert await taken(cap)
    clock.advance(-2 * HOUR_S)
    assert not await taken(cap)
    assert await counted(bus)


async def test_a_write_without_an_answer_makes_no_room_either(bus, clock, monkeypatch):
    cap, lost = Cap(bus, 3, clock), []
    create = type(bus.bucket(subjects.CONTROL.name)).create

    async def unanswered(self, key, data, **more):
        revision = await create(self, key, data, **more)
        if key == KEY and not lost:
            lost.append(revision)
            raise Silence("no answer")
        return revision

    monkeypatch.setattr(type(bus.bucket(subjects.CONTROL.name)), "create", unanswered)
    said = [await taken(cap) for _ in range(4)]
    assert lost
    assert said == [True, True, False, False]


async def test_two_hundred_who_subscribe_at_once_all_get_their_letter(bus, tmp_path, clock):
    house = capped(bus, tmp_path, clock, 1000)

    async def subscribe(number):
        async with house.browser(f"10.{number}.0.1") as browser:
            answer = await browser.post("/dang-ky", data=a_form(f"an{number}@example.com"))
            return answer.status_code

    said = Counter(await asyncio.gather(*(subscribe(number) for number in range(200))))
    assert said == {200: 200}
    assert len(await house.waiting()) == 200


async def test_one_home_network_stops_nobody_else(bus, tmp_path, clock):
    house = capped(bus, tmp_path, clock, 200)
    said = Counter()
    for net in range(10):
        async with house.browser(f"2001:db8:0:{net:x}::1") as browser:
            for number in range(int(BURST)):
                form = {"email": f"x{net}.{number}@example.org"}
                said[(await browser.post("/dang-ky/quan-ly", data=form)).status_code] += 1
    assert said == {200: 10, 429: 390}
    async with house.browser("198.51.100.77") as browser:
        assert (await browser.post("/dang-ky", data=a_form())).status_code == 200
    assert (await house.last()).address == ADDRESS


async def test_who_gets_no_letter_for_the_hour_is_told_so_known_or_not(bus, tmp_path, clock):
    house = capped(bus, tmp_path, clock, 5)
    for _ in range(A_DAY):
        await house.office.ask("day@example.com")  # this mailbox has got its three
    await house.joined(KNOWN)
    async with house.inside(KNOWN) as reader:
        moving = await act(reader, "/dia-chi", email="moi@example.com")
    told = set()
    for number, address in enumerate((KNOWN, "la@example.com", "day@example.com")):
        async with house.browser(f"192.0.{number}.9") as browser:
            for path, form in (("/dang-ky", a_form(address)), ("/dang-ky/quan-ly", {})):
                answer = await browser.post(path, data=form | {"email": address})
                assert answer.headers["retry-after"] == "3600"
                told.add((answer.status_code, title(answer), answer.content))
    assert len(told) == 1
    assert {(moving.status_code, title(moving))} == {(503, LATER)} == {one[:2] for one in told}
    await house.office.remind(KNOWN)
    assert await house.readers() == [await house.reader(KNOWN)]


async def test_who_asks_too_often_is_told_when_to_ask_again(house):
    async with house.browser() as browser:
        for number in range(int(BURST)):
            form = {"email": f"an{number}@example.com"}
            assert (await browser.post("/dang-ky/quan-ly", data=form)).status_code == 200
        answer = await browser.post("/dang-ky", data=a_form())
        assert (answer.status_code, title(answer)) == (429, LATER)
        assert answer.headers["retry-after"] == "6"
        house.clock.advance(6)
        assert (await browser.post("/dang-ky", data=a_form())).status_code == 200
