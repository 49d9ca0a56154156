"""The desk's pages that let a terminal in: what they show, and what they ask for."""

import pytest

from consumers.staff.terminals import Terminals

PAGE, CONFIRM = "/dong-lenh", "/dong-lenh/dong-y"


@pytest.fixture
def terminals(desk) -> Terminals:
    return Terminals(desk.sessions)


async def test_a_person_sees_the_terminal_and_lets_it_in(desk, terminals, clock):
    code = await terminals.ask("may-chu<b>", "loa")
    async with desk.signed_in("an") as browser:
        shown = await browser.press(PAGE, PAGE, terminal_code=code.lower())
        assert "may-chu&lt;b&gt;" in shown.text and "loa" in shown.text
        assert await terminals.redeem(code) is None, "looking lets nothing in"
        done = await browser.submit(shown, CONFIRM)
        assert done.status_code == 200 and "Đã đồng ý" in done.text
        signed_in = await desk.sessions.find(await terminals.redeem(code))
        assert signed_in.account.login == "an"
        assert "dòng lệnh" in (await browser.get("/tai-khoan")).text


async def test_a_second_factor_is_given_anew_where_the_last_one_is_old(desk, terminals, clock):
    async with desk.signed_in("an") as browser:
        clock.advance(301)
        code = await terminals.ask("may-chu", "loa")
        shown = await browser.press(PAGE, PAGE, terminal_code=code)
        asked = await browser.submit(shown, CONFIRM)
        assert asked.status_code == 403 and await terminals.redeem(code) is None
        wrong = await browser.submit(asked, CONFIRM, code="000000")
        assert wrong.status_code == 403 and await terminals.redeem(code) is None
        done = await browser.submit(wrong, CONFIRM, code=desk.code())
        assert done.status_code == 200, done.text
        found = await desk.sessions.find(await terminals.redeem(code))
        assert found.session.is_stepped_up(found.session.used)


async def test_guesses_are_slowed_down_and_sign_ins_are_not(desk, terminals, clock):
    async with desk.signed_in("an") as browser:
        tries = [await browser.post(path, terminal_code="BCDFGHJK") for path in [PAGE, CONFIRM] * 4]
        assert [one.status_code for one in tries] == [422] * 5 + [429] * 3
        code = await terminals.ask("may-chu", "loa")
        slowed = await browser.post(CONFIRM, terminal_code=code)
        assert slowed.status_code == 429 and await terminals.redeem(code) is None
        clock.advance(121)
        assert (await browser.post(CONFIRM, terminal_code=code)).status_code == 200
    async with desk.browser() as browser:
        assert (await desk.press_sign_in(browser, "an")).status_code == 303


async def test_a_code_for_another_account_is_as_unknown_as_a_wrong_one(desk, terminals):
    other = await desk.active("binh")
    code = await terminals.ask("may-chu", "loa", other.id)
    async with desk.signed_in("an") as browser:
        answers = [await browser.post(PAGE, terminal_code=one) for one in (code, "BCDFGHJK")]
        assert [one.status_code for one in answers] == [422, 422]
        await browser.post(CONFIRM, terminal_code=code)
    assert await terminals.redeem(code) is None
