"""The last letter to an address: whatever dies between a change and its letter, it goes, once."""

from datetime import UTC, datetime, timedelta

import pytest

from contracts import subjects
from contracts.subscriptions.signup import LinkRefused
from contracts.subscriptions.transactional import TransactionalKind
from producers.bus import NoReply
from tests.support.clock import FakeClock
from tests.support.crashing_bus import SimulatedCrash, crashing_bus
from tests.support.signup_app import ADDRESS, SignupApp, press_button

NOON = datetime(2026, 11, 26, 5, tzinfo=UTC)
NEW = "moi@example.com"
CALLS = 40
"""More than any of these deeds needs."""


class LeavingWays:
    """What a reader may do, by the letter that tells of it."""

    @staticmethod
    async def leave(house, person, _link):
        await house.preferences.unsubscribe(person)

    @staticmethod
    async def erase(house, person, _link):
        await house.preferences.erase(person)

    @staticmethod
    async def move(house, _person, link):
        await house.preferences.confirm_address_change(link)


WAYS = {
    TransactionalKind.GOODBYE: LeavingWays.leave,
    TransactionalKind.ERASED: LeavingWays.erase,
    TransactionalKind.CHANGED: LeavingWays.move,
}


@pytest.fixture
def signup_app(bus, tmp_path):
    return SignupApp(bus, tmp_path, FakeClock(NOON.timestamp()))


async def a_link(house, person):
    """The token of a letter that asks to confirm a new address; the letter has gone."""
    await house.preferences.request_address_change(person, NEW)
    token = (await house.last_mail()).path.rpartition("/")[2]
    await house.send_mails()
    return token


async def state_of(house, kind):
    """What has become of the reader: as before, or changed."""
    [one] = [*await house.subscribers()] or [None]
    if kind is TransactionalKind.CHANGED:
        return "changed" if one and one.email == NEW else "as before"
    return "as before" if one and one.active else "changed"


@pytest.mark.promise("14.3")
@pytest.mark.parametrize("after", [False, True], ids=["not stored", "stored, unanswered"])
@pytest.mark.parametrize("kind", WAYS)
async def test_a_process_that_dies_anywhere_loses_no_letter_and_doubles_none(
    bus, tmp_path, kind, after
):
    clock, outcomes, calls = FakeClock(NOON.timestamp()), [], 0
    while not outcomes or outcomes[-1] != "done":
        calls, survivor = calls + 1, SignupApp(bus, tmp_path / str(calls), clock)
        assert calls < CALLS
        clock.advance(timedelta(days=1).total_seconds())  # nobody has got a letter today
        person = await survivor.subscribed()
        link = await a_link(survivor, person)
        dying = SignupApp(crashing_bus(bus, calls, after=after), tmp_path / f"dying {calls}", clock)
        try:
            await WAYS[kind](dying, person, link)
            outcomes.append("done")
        except SimulatedCrash:
            outcomes.append(await state_of(survivor, kind))
        for _ in range(2):
            await survivor.closing_mail.finish_all()
        sent = [one.kind for one in await survivor.send_mails()]
        assert sent == ([] if outcomes[-1] == "as before" else [kind]), calls
        await nothing_is_left(survivor, kind, outcomes[-1])
    assert {"as before", "changed"} < {*outcomes}


async def nothing_is_left(house, kind, outcome):
    """Of the reader no more than is due; then the ground is cleared."""
    subscribers = house.bus.bucket(subjects.SUBSCRIBERS.name)
    assert await subscribers.keys("f.") == []
    if outcome != "as before":
        assert ADDRESS.encode() not in await house.stored_bytes()
    if kind is TransactionalKind.ERASED and outcome != "as before":
        assert await subscribers.keys() == []
    for key in await subscribers.keys():
        await subscribers.purge(key)


async def test_the_same_press_again_finishes_what_a_silent_bus_has_cut_short(
    signup_app, monkeypatch
):
    link = await a_link(signup_app, await signup_app.subscribed())
    begin = signup_app.mailer.send_once

    async def silent(*_: object) -> None:
        raise NoReply("no answer")

    monkeypatch.setattr(signup_app.mailer, "begin", silent)
    with pytest.raises(NoReply):
        await signup_app.preferences.confirm_address_change(link)
    monkeypatch.setattr(signup_app.mailer, "begin", begin)
    for _ in range(2):
        await signup_app.preferences.confirm_address_change(link)
    assert [one.kind for one in await signup_app.send_mails()] == [TransactionalKind.CHANGED]


async def test_who_comes_back_before_an_erasure_is_finished_stays(signup_app, monkeypatch):
    before = await signup_app.subscribed(topics=["viec-lam"])

    async def dead(_: str) -> bool:
        return False

    with monkeypatch.context() as dying:
        dying.setattr(signup_app.closing_mail, "finish", dead)
        await signup_app.preferences.erase(before)
    signup_app.clock.advance(60)
    after = await signup_app.subscribed(topics=["tuyen-dung"])
    await signup_app.closing_mail.finish_all()
    assert await signup_app.subscriber() == after
    assert [one.kind for one in await signup_app.send_mails()] == [TransactionalKind.ERASED]


async def test_a_farewell_counts_with_no_letter_that_others_can_ask_for(signup_app):
    await signup_app.subscribed()
    async with signup_app.signed_in() as browser:
        for _ in range(4):
            await signup_app.signup.send_access_link(ADDRESS)
        await press_button(browser, "/ngung")
    assert TransactionalKind.GOODBYE in [one.kind for one in await signup_app.send_mails()]


async def test_moving_back_does_not_make_the_first_link_good_again(signup_app):
    person = await signup_app.subscribed()
    link = await a_link(signup_app, person)
    await signup_app.preferences.confirm_address_change(link)
    moved = await signup_app.subscriber(NEW)
    await signup_app.store.change_address(moved.id, NEW, ADDRESS)
    with pytest.raises(LinkRefused):
        await signup_app.preferences.confirm_address_change(link)
    assert (await signup_app.subscriber()).email == ADDRESS
