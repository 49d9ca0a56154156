"""The closing mail: sent exactly once, whichever process dies between a change and its mail."""

import pytest

from contracts.subscriptions.errors import LinkRefused
from contracts.subscriptions.transactional import TransactionalKind
from producers.bus import NoReply
from tests.support.signup_app import ADDRESS, press_button

NEW = "moi@example.com"


async def test_the_same_press_finishes_what_a_silent_bus_has_cut_short(signup_app, monkeypatch):
    link = await signup_app.change_token(await signup_app.subscribed(), NEW)
    begin = signup_app.mailer.send_once

    async def silent(*_: object) -> None:
        raise NoReply("no answer")

    monkeypatch.setattr(signup_app.mailer, "send_once", silent)
    with pytest.raises(NoReply):
        await signup_app.preferences.confirm_address_change(link)
    monkeypatch.setattr(signup_app.mailer, "send_once", begin)
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
    link = await signup_app.change_token(person, NEW)
    await signup_app.preferences.confirm_address_change(link)
    moved = await signup_app.subscriber(NEW)
    await signup_app.store.change_address(moved.id, NEW, ADDRESS)
    with pytest.raises(LinkRefused):
        await signup_app.preferences.confirm_address_change(link)
    assert (await signup_app.subscriber()).email == ADDRESS
