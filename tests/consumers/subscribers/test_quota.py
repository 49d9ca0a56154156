"""The hourly mail quota of all strangers together, and the answer when it is used up."""

import asyncio
from collections import Counter

import pytest
import structlog

from consumers.subscribers.quota import HOUR_S, QUOTA_KEY, HourlyMailQuota
from consumers.subscribers.transactional import DAILY_LIMIT
from contracts import keys, subjects
from contracts.subscriptions.errors import MailQuotaReached
from contracts.subscriptions.transactional import TransactionalKind
from producers.bus import NoReply
from producers.pages.mail_limits import BURST
from tests.consumers.subscribers.test_transactional import a_letter
from tests.support.signup_app import ADDRESS, KNOWN, SignupApp, heading, press_button, signup_form

LATER = "Xin Quý vị thử lại sau"
AT_ONCE, PROCESSES = 400, 3


async def taken(cap):
    try:
        await cap.take()
    except MailQuotaReached:
        return False
    return True


async def refusal(letters, letter):
    with pytest.raises(MailQuotaReached) as refused:
        await letters.send(letter)
    return refused.value


@pytest.mark.promise("14.2")
@pytest.mark.parametrize("most", [1000, AT_ONCE, 150, 1])
async def test_many_at_once_get_what_there_is_and_not_one_more(bus, clock, most):
    caps = [HourlyMailQuota(bus, most, clock) for _ in range(PROCESSES)]
    said = await asyncio.gather(*(taken(caps[n % PROCESSES]) for n in range(AT_ONCE)))
    assert said.count(True) == min(most, AT_ONCE)
    late = await asyncio.gather(*(taken(caps[n % PROCESSES]) for n in range(AT_ONCE)))
    assert said.count(True) + late.count(True) == min(most, 2 * AT_ONCE)


async def test_who_hangs_up_while_others_wait_takes_no_letter_along(bus, clock):
    cap = HourlyMailQuota(bus, 10, clock)
    waiting = [asyncio.create_task(taken(cap)) for _ in range(20)]
    await asyncio.sleep(0)
    for one in waiting[:8]:
        one.cancel()
    said = await asyncio.gather(*waiting, return_exceptions=True)
    more = [await taken(cap) for _ in range(10)]
    assert [*said, *more].count(True) == 10
    assert cap.waiting_callers == 0


async def test_the_log_cries_once_and_the_next_hour_begins_anew(signup_app, bus):
    signup_app.mailer.quota = HourlyMailQuota(bus, 3, signup_app.clock)
    signup_app.clock.advance(600)
    with structlog.testing.capture_logs() as logs:
        for number in range(3):
            assert await signup_app.mailer.send(a_letter(address=f"an{number}@example.com"))
        for number in range(3, 5):
            refused = await refusal(signup_app.mailer, a_letter(address=f"an{number}@example.com"))
            assert refused.retry_after_s == pytest.approx(HOUR_S - 600)
    [cry] = [one for one in logs if one["event"] == "letters_capped"]
    assert (cry["log_level"], cry["per_hour"]) == ("error", 3)
    assert not await taken(HourlyMailQuota(bus, 3, signup_app.clock)), "all processes share it"
    signup_app.clock.advance(HOUR_S)
    assert await signup_app.mailer.send(a_letter(address="an9@example.com")) is not None


async def test_who_asks_for_one_address_repeatedly_uses_up_its_number_alone(signup_app, bus):
    signup_app.mailer.quota = HourlyMailQuota(bus, DAILY_LIMIT + 1, signup_app.clock)
    for _ in range(3 * DAILY_LIMIT):
        await signup_app.mailer.send(a_letter())
    assert await signup_app.mailer.send(a_letter(address=KNOWN)) is not None
    await refusal(signup_app.mailer, a_letter(address="an@example.com"))


async def test_a_letter_given_back_in_another_hour_is_not_that_hours(bus, clock):
    cap = HourlyMailQuota(bus, 2, clock)
    hour = await cap.take()
    clock.advance(HOUR_S)
    await cap.take()
    cap.give_back(hour)
    assert [await taken(cap) for _ in range(2)] == [True, False]


async def test_what_only_the_reader_causes_is_outside_the_cap_and_zero_is_none(signup_app, bus):
    signup_app.mailer.quota = HourlyMailQuota(bus, 1, signup_app.clock)
    assert await signup_app.mailer.send(a_letter()) is not None
    await refusal(signup_app.mailer, a_letter(address=KNOWN))
    own = keys.transactional_content_id("own", "this change")
    await signup_app.mailer.send_once(own, a_letter(TransactionalKind.CHANGED))
    assert own in await signup_app.pending_mails()
    signup_app.mailer.quota = HourlyMailQuota(bus, 0, signup_app.clock)
    assert await signup_app.mailer.send(a_letter(address=KNOWN)) is not None


async def test_a_clock_that_was_set_back_makes_no_room(bus, clock):
    cap = HourlyMailQuota(bus, 1, clock)
    assert await taken(cap)
    clock.advance(-2 * HOUR_S)
    assert not await taken(cap)
    assert await bus.bucket(subjects.CONTROL.name).get(QUOTA_KEY)


async def test_a_write_without_an_answer_makes_no_room_either(bus, clock, monkeypatch):
    cap, lost = HourlyMailQuota(bus, 3, clock), []
    create = type(bus.bucket(subjects.CONTROL.name)).create

    async def unanswered(self, key, data, **more):
        revision = await create(self, key, data, **more)
        if key == QUOTA_KEY and not lost:
            lost.append(revision)
            raise NoReply("no answer")
        return revision

    monkeypatch.setattr(type(bus.bucket(subjects.CONTROL.name)), "create", unanswered)
    said = [await taken(cap) for _ in range(4)]
    assert lost
    assert said == [True, True, False, False]


async def test_two_hundred_who_subscribe_at_once_all_get_their_letter(bus, tmp_path, clock):
    app = SignupApp(bus, tmp_path, clock, per_hour=1000)

    async def subscribe(number):
        async with app.client(f"10.{number}.0.1") as browser:
            answer = await browser.post("/dang-ky", data=signup_form(f"an{number}@example.com"))
            return answer.status_code

    said = Counter(await asyncio.gather(*(subscribe(number) for number in range(200))))
    assert said == {200: 200}
    assert len(await app.pending_mails()) == 200


@pytest.mark.promise("14.2")
async def test_one_home_network_stops_nobody_else(bus, tmp_path, clock):
    app = SignupApp(bus, tmp_path, clock, per_hour=200)
    said = Counter()
    for net in range(10):
        async with app.client(f"2001:db8:0:{net:x}::1") as browser:
            for number in range(int(BURST)):
                form = {"email": f"x{net}.{number}@example.org"}
                said[(await browser.post("/dang-ky/quan-ly", data=form)).status_code] += 1
    assert said == {200: 10, 429: 390}
    async with app.client("198.51.100.77") as browser:
        assert (await browser.post("/dang-ky", data=signup_form())).status_code == 200
    assert (await app.last_mail()).address == ADDRESS


@pytest.mark.promise("14.2")
async def test_who_gets_no_letter_for_the_hour_is_told_so_known_or_not(bus, tmp_path, clock):
    app = SignupApp(bus, tmp_path, clock, per_hour=5)
    await app.subscribed(KNOWN)
    await use_up(app.mailer.quota)
    async with app.signed_in(KNOWN) as reader:
        moving = await press_button(reader, "/dia-chi", email="moi@example.com")
    await use_up_access(app.mailer.quota)
    told = set()
    for number, address in enumerate((KNOWN, "la@example.com")):
        async with app.client(f"192.0.{number}.9") as browser:
            for path, form in (("/dang-ky", signup_form(address)), ("/dang-ky/quan-ly", {})):
                answer = await browser.post(path, data=form | {"email": address})
                assert answer.headers["retry-after"] == "3600"
                told.add((answer.status_code, heading(answer), answer.content))
    assert len(told) == 1
    assert {(moving.status_code, heading(moving))} == {(503, LATER)} == {one[:2] for one in told}
    await app.signup.send_reminder(KNOWN)
    assert await app.pending_mails() == {}
    assert await app.subscribers() == [await app.subscriber(KNOWN)]


@pytest.mark.promise("14.2")
async def test_strangers_cannot_use_up_a_readers_way_in(bus, tmp_path, clock):
    """And the answer for an address says nothing of it, while its mail is withheld."""
    app = SignupApp(bus, tmp_path, clock, per_hour=40)
    await app.subscribed(KNOWN)
    for number in range(60):
        async with app.client(f"192.0.{number}.9") as browser:
            await browser.post("/dang-ky/quan-ly", data={"email": f"la{number}@example.com"})
    await app.send_mails()
    assert not await taken(app.mailer.quota)
    told = set()
    for number, address in enumerate((KNOWN, "la@example.com")):
        async with app.client(f"198.51.{number}.9") as browser:
            answer = await browser.post("/dang-ky/quan-ly", data={"email": address})
            told.add((answer.status_code, answer.content.replace(address.encode(), b"ADDRESS")))
    assert len(told) == 1
    [way_in] = (await app.pending_mails()).values()
    assert (way_in.kind, way_in.address) == (TransactionalKind.MANAGE, KNOWN)
    for _ in range(2 * DAILY_LIMIT):
        await app.signup.send_access_link(KNOWN)
    left = 40
    with pytest.raises(MailQuotaReached):
        while left > -1:
            await HourlyMailQuota(bus, 40, clock).take_access(is_reader=True)
            left -= 1
    assert left == DAILY_LIMIT - 1, "beyond its three, the confirmation included, none counts"


async def use_up(quota):
    while await taken(quota):
        pass


async def use_up_access(quota):
    with pytest.raises(MailQuotaReached):
        while True:
            await quota.take_access(is_reader=True)


async def test_who_asks_too_often_is_told_when_to_ask_again(signup_app):
    async with signup_app.client() as browser:
        for number in range(int(BURST)):
            form = {"email": f"an{number}@example.com"}
            assert (await browser.post("/dang-ky/quan-ly", data=form)).status_code == 200
        answer = await browser.post("/dang-ky", data=signup_form())
        assert (answer.status_code, heading(answer)) == (429, LATER)
        assert answer.headers["retry-after"] == "6"
        signup_app.clock.advance(6)
        assert (await browser.post("/dang-ky", data=signup_form())).status_code == 200
