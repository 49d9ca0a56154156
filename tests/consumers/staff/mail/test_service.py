"""Staff are told of what waits for them and of what became of their texts, each act once."""

import pytest

from contracts.editorial import ActionKind as K
from contracts.editorial.action import RULE, UNIT_SYSTEM
from tests.support.staff_mail import OTHER_UNIT, UNIT, StaffMailApp, draft


@pytest.fixture
async def app(bus, tmp_path):
    return await StaffMailApp.staffed(bus, tmp_path)


async def submitted(app: StaffMailApp) -> None:
    await app.act(K.SAVE, "soan", text=draft())
    await app.act(K.SUBMIT, "soan")


async def proposed(app: StaffMailApp) -> None:
    await submitted(app)
    await app.act(K.CONFIRM, "truong")
    await app.act(K.PROPOSE, "bien")
    await app.mails()


async def test_each_step_tells_who_acts_next_and_who_wrote_the_text(app):
    await submitted(app)
    assert await app.told() == [("truong", "waits")]
    await app.act(K.CONFIRM, "truong")
    assert {*await app.told()} == {("bien", "waits"), ("soan", "progress")}
    await app.act(K.PROPOSE, "bien")
    assert {*await app.told()} == {("duyet", "waits"), ("soan", "progress")}
    await app.act(K.APPROVE, "duyet")
    assert await app.told() == [("soan", "approved")]
    await app.act(K.PUBLISH, "loa", role=RULE)
    assert await app.told() == [("soan", "published")]
    assert await app.told() == []


async def test_a_returned_and_a_rejected_text_says_why(app):
    await proposed(app)
    await app.act(K.RETURN, "duyet", note="Thiếu nguồn.")
    [mail] = await app.mails()
    assert (mail.lines[0].kind, mail.lines[0].reason) == ("returned", "Thiếu nguồn.")
    await submitted_again(app)
    await app.act(K.REJECT, "duyet", code="trai-chu-truong")
    [mail] = await app.mails()
    assert (mail.lines[0].kind, mail.lines[0].code) == ("rejected", "trai-chu-truong")


async def submitted_again(app: StaffMailApp) -> None:
    for kind, login in ((K.SUBMIT, "soan"), (K.CONFIRM, "truong"), (K.PROPOSE, "bien")):
        await app.act(kind, login)
    await app.mails()


async def test_those_whom_four_eyes_bar_and_other_units_are_not_told(app):
    await app.hire("truong-khac", "lanh-dao-don-vi", unit=OTHER_UNIT)
    await app.hire("truong-hai", "lanh-dao-don-vi")
    await app.act(K.SAVE, "truong", text=draft())
    await app.act(K.SUBMIT, "truong")
    assert await app.told() == [("truong-hai", "waits")]


async def test_who_can_not_sign_in_or_has_no_address_is_not_told(app):
    await app.hire("truong-cu", "lanh-dao-don-vi", state="disabled")
    await app.hire("truong-la", "lanh-dao-don-vi", address="")
    await submitted(app)
    assert await app.told() == [("truong", "waits")]
    await app.accounts.set_mail(app.people["truong-la"].id, address="")
    assert await app.told() == []


async def test_what_has_moved_on_waits_no_more(app):
    await submitted(app)
    app.clock.advance(3600)
    await app.act(K.CONFIRM, "truong")
    assert {*await app.told()} == {("bien", "waits"), ("soan", "progress")}


async def test_close_acts_of_one_person_are_one_mail(app):
    await submitted(app)
    await app.act(K.CONFIRM, "truong")
    await app.mails()
    await app.act(K.EDIT, "bien")
    app.clock.advance(5)
    await app.act(K.PROPOSE, "bien")
    assert {*await app.told()} == {("duyet", "waits"), ("soan", "progress")}


async def test_acts_of_before_the_first_start_are_no_news(bus, tmp_path):
    app = await StaffMailApp.staffed(bus, tmp_path, started=False)
    await submitted(app)
    assert await app.told() == []
    await app.act(K.CONFIRM, "truong")
    assert ("bien", "waits") in await app.told()


async def test_what_a_units_system_sends_waits_for_an_editor_and_tells_the_person_it_names(app):
    await app.hire("an", "nguoi-gui-tin")
    await app.hire("an-khac", "nguoi-gui-tin", unit=OTHER_UNIT, name="Ông an")
    text = draft().model_copy(update={"author": "ÔNG AN"})
    await app.act(K.RECEIVE, UNIT, text=text, role=UNIT_SYSTEM)
    assert await app.told() == [("bien", "waits")]
    await app.act(K.REJECT, "duyet", code="trai-chu-truong")
    assert await app.told() == [("an", "rejected")]
