"""Staff are told of what waits for them and of what became of their texts, each act once."""

from collections.abc import AsyncIterator
from datetime import datetime, timedelta

import pytest
import structlog

from consumers.staff.mail import service
from consumers.staff.mail.service import JUDGE_INTERVAL_S
from contracts.base.times import format_date
from contracts.delivery import ChannelName, PlanKey
from contracts.desk.staff_mail import MailChoice, StaffMailKind
from contracts.editorial import ActionKind as K
from contracts.editorial.action import RULE, UNIT_SYSTEM
from contracts.trace import StatusCounts
from tests.support.staff_mail import OTHER_UNIT, UNIT, StaffMailApp, address_of, draft


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


async def test_an_act_stored_while_a_long_pass_goes_on_is_told(app, monkeypatch):
    await submitted(app)
    await app.act(K.SAVE, "soan", item="tin-2", text=draft())
    for _ in range(256):  # more than one page of the log lies behind the submission
        await app.act(K.COMMENT, "bien", item="tin-2", note="Xin xem lại.")
    note = app.service._note

    async def confirmed_meanwhile(*noted):
        await note(*noted)
        monkeypatch.undo()
        await app.act(K.CONFIRM, "truong")

    monkeypatch.setattr(app.service, "_note", confirmed_meanwhile)
    told = [*await app.told(), *await app.told()]
    assert sorted(told) == [("bien", "waits"), ("soan", "progress")]


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


async def in_the_morning(app: StaffMailApp, *logins: str) -> None:
    for login in logins:
        choice = MailChoice(in_morning=True)
        app.people[login] = await app.accounts.set_mail(app.people[login].id, mail=choice)


def at(app: StaffMailApp, text: str) -> None:
    """Set the clock to a time in Vietnam, which lies ahead."""
    moment = datetime.fromisoformat(f"{text}+07:00").timestamp()
    assert moment > app.clock.now
    app.clock.now = moment


async def test_who_wants_it_gets_one_mail_on_the_morning_of_a_working_day(app):
    await in_the_morning(app, "duyet")
    for item in ("tin-1", "tin-2"):
        await app.act(K.SAVE, "soan", item, draft())
        for kind, login in ((K.SUBMIT, "soan"), (K.CONFIRM, "truong"), (K.PROPOSE, "bien")):
            await app.act(kind, login, item)
    assert "duyet" not in [login for login, _ in await app.told()]
    at(app, "2026-11-27 07:58")  # a Friday
    assert await app.told() == []
    at(app, "2026-11-27 08:00")
    [mail] = await app.mails()
    assert [line.content_id for line in mail.lines] == ["tin-1", "tin-2"]
    await app.act(K.EDIT, "bien", "tin-2", draft("Bản sửa"))
    await app.act(K.RECEIVE, UNIT, "tin-3", draft(), role=UNIT_SYSTEM)
    await app.act(K.PROPOSE, "bien", "tin-3")
    await app.mails()
    at(app, "2026-11-29 09:00")  # a Sunday
    assert await app.told() == []
    at(app, "2026-11-30 08:01")
    [mail] = await app.mails()
    assert [line.content_id for line in mail.lines] == ["tin-3"]
    assert await app.told() == []


@pytest.mark.parametrize(("login", "kind"), [("duyet", "waits"), ("soan", "progress")])
async def test_a_morning_tells_nothing_to_one_whose_roles_were_taken_away(app, login, kind):
    await in_the_morning(app, login)
    await proposed(app)
    await app.accounts.set_grants(app.people[login].id, ())
    at(app, "2026-11-27 08:00")
    assert (login, kind) not in await app.told()
    assert login not in [box async for box, _ in app.service.outbox.outboxes()]


@pytest.mark.parametrize("login", ["truong", "soan"])
async def test_a_mail_at_once_tells_nothing_to_one_whose_roles_were_taken_away(app, login):
    act = {"truong": submitted, "soan": returned}[login]
    await act(app)
    app.clock.advance(31)
    await app.service.follow()  # the mail is noted for the person, and not sent yet
    await app.accounts.set_grants(app.people[login].id, ())
    assert login not in [one for one, _ in await app.told()]
    assert [box async for box in app.service.outbox.outboxes()] == []


async def test_a_mail_at_once_tells_nothing_to_one_who_is_blocked_meanwhile(app):
    await submitted(app)
    app.clock.advance(31)
    await app.service.follow()
    await app.accounts.set_state(app.people["truong"].id, "disabled")
    assert await app.told() == []


async def meanwhile_approved(app: StaffMailApp) -> None:
    await app.hire("duyet-hai", "lanh-dao-duyet")
    await app.act(K.APPROVE, "duyet-hai")


async def meanwhile_returned(app: StaffMailApp) -> None:
    await app.act(K.RETURN, "bien", note="Thiếu nguồn.")


async def meanwhile_withdrawn(app: StaffMailApp) -> None:
    await app.act(K.WITHDRAW, "bien", note="Nhầm.")


async def meanwhile_written_by_the_reader(app: StaffMailApp) -> None:
    """The text that the reader once wrote takes the place of the proposed one."""
    await app.act(K.EDIT, "bien", text=draft("Lời của người duyệt"))


MEANWHILE = [
    *(meanwhile_approved, meanwhile_returned, meanwhile_withdrawn),
    meanwhile_written_by_the_reader,
]


async def published_of_the_approver(app: StaffMailApp) -> None:
    """An item whose first text was written by the person who approves the next one."""
    await app.act(K.SAVE, "duyet", text=draft("Lời của người duyệt"))
    for kind, login in ((K.SUBMIT, "soan"), (K.CONFIRM, "truong"), (K.PROPOSE, "bien")):
        await app.act(kind, login)
    await app.hire("duyet-ba", "lanh-dao-duyet")
    await app.act(K.APPROVE, "duyet-ba")
    await app.act(K.PUBLISH, "loa", role=RULE)
    await app.mails()
    await app.act(K.SAVE, "soan", text=draft("Bản mới"))


@pytest.mark.parametrize("happens", MEANWHILE, ids=lambda one: one.__name__)
async def test_a_morning_asks_for_no_step_that_is_done_or_barred_meanwhile(app, happens):
    await published_of_the_approver(app)
    await in_the_morning(app, "duyet")
    await submitted_again(app)
    assert [one async for one in waiting_for(app, "duyet")] == ["waits"]
    at(app, "2026-11-26 15:00")
    await happens(app)
    at(app, "2026-11-27 08:00")
    assert ("duyet", "waits") not in await app.told()
    assert "waits" not in [one async for one in waiting_for(app, "duyet")]


async def waiting_for(app: StaffMailApp, login: str) -> AsyncIterator[str]:
    """The kinds of what is to be mailed to a person."""
    async for account, box in app.service.outbox.outboxes():
        for mail in box.mails if account == app.people[login].id else ():
            yield mail.line.kind


async def test_a_morning_asks_once_where_a_text_went_back_and_came_again(app):
    await in_the_morning(app, "duyet")
    await proposed(app)
    at(app, "2026-11-26 15:00")
    await app.act(K.RETURN, "bien", note="Thiếu nguồn.")
    await submitted_again(app)
    at(app, "2026-11-27 08:00")
    [mail] = [one for one in await app.mails() if one.address == address_of("duyet")]
    assert [line.kind for line in mail.lines] == ["waits"]


async def test_a_morning_says_of_nothing_that_was_done_that_it_is_late(app):
    await in_the_morning(app, "truong")
    await submitted(app)
    await app.mails()
    at(app, "2026-11-27 08:00")
    assert ("truong", "waits") in await app.told()
    at(app, "2026-11-27 17:00")
    await app.mails()
    assert [one async for one in waiting_for(app, "truong")] == ["overdue"]
    await app.hire("truong-hai", "lanh-dao-don-vi")
    await app.act(K.CONFIRM, "truong-hai")
    at(app, "2026-11-30 08:00")
    assert "truong" not in [login for login, _ in await app.told()]


async def returned(app: StaffMailApp) -> None:
    await proposed(app)
    await app.act(K.RETURN, "duyet", note="Thiếu nguồn.")


async def test_what_waits_for_an_account_that_is_gone_is_erased_when_it_is_old(app):
    await in_the_morning(app, "duyet")
    await proposed(app)
    gone = app.people["duyet"].id
    await app.accounts.bucket.purge(f"account.{gone}")
    for days, left in ((1, [gone]), (6, [])):
        app.clock.advance(days * 86400)
        await app.service.sender.send_pending(app.now)
        assert [account async for account, _ in app.service.outbox.outboxes()] == left


async def test_a_delivery_that_is_looked_after_no_more_is_named(app, monkeypatch):
    monkeypatch.setattr(service, "_MOST_SENDING", 1)
    await published(app)
    await app.mails()
    with structlog.testing.capture_logs() as logs:
        await published(app, item="tin-2")
        await app.mails()
    named = [one["content_id"] for one in logs if one["event"] == "staff_mail_delivery_dropped"]
    assert named == ["tin-1"]


async def test_what_is_urgent_waits_for_no_morning(app):
    await in_the_morning(app, "truong")
    await app.act(K.SAVE, "soan", text=draft(lane="urgent"))
    await app.act(K.SUBMIT, "soan")
    [mail] = await app.mails()
    assert mail.lines[0].due == app.now - timedelta(seconds=31) + timedelta(minutes=30)


async def test_what_is_overdue_is_told_once_to_those_for_whom_it_waits(app):
    await submitted(app)
    [mail] = await app.mails()
    assert format_date(mail.lines[0].due) == "27/11/2026"
    at(app, "2026-11-27 16:59")
    assert await app.told() == []
    at(app, "2026-11-27 17:00")
    assert await app.told() == [("truong", "overdue")]
    at(app, "2026-12-20 12:00")
    assert await app.told() == []
    await app.act(K.CONFIRM, "truong")
    assert {*await app.told()} == {("bien", "waits"), ("soan", "progress")}
    at(app, "2026-12-30 12:00")
    assert await app.told() == [("bien", "overdue")]


async def test_what_was_overdue_before_the_first_start_is_no_news(bus, tmp_path):
    app = await StaffMailApp.staffed(bus, tmp_path, started=False)
    await submitted(app)
    at(app, "2026-12-10 12:00")
    assert await app.told() == []


async def test_a_kind_that_is_turned_off_is_not_told_and_one_that_asks_can_not_be(app):
    off = MailChoice().with_kinds([*StaffMailKind])
    for login in ("soan", "truong"):
        await app.accounts.set_mail(app.people[login].id, mail=off)
    await submitted(app)
    assert await app.told() == [("truong", "waits")]
    await app.act(K.CONFIRM, "truong")
    assert await app.told() == [("bien", "waits")]
    await app.act(K.RETURN, "bien", note="Thiếu nguồn.")
    assert await app.told() == [("soan", "returned")]


async def test_a_delivery_that_failed_for_some_is_told_once_when_all_has_ended(app):
    await app.act(K.SAVE, "soan", text=draft(channels=["email", "portal"]))
    for kind, login in ((K.SUBMIT, "soan"), (K.CONFIRM, "truong"), (K.PROPOSE, "bien")):
        await app.act(kind, login)
    await app.act(K.APPROVE, "duyet")
    await app.act(K.PUBLISH, "loa", role=RULE)
    await app.mails()
    mail, portal = (PlanKey(name, "tin-1", 1) for name in (ChannelName.EMAIL, ChannelName.PORTAL))
    app.delivered[mail] = StatusCounts(
        expected=20, delivered=17, failed=2, expired=1, complete=True
    )
    app.clock.advance(JUDGE_INTERVAL_S)
    assert await app.told() == [], "the portal has not ended"
    app.delivered[portal] = StatusCounts(expected=1, delivered=1, complete=True)
    app.clock.advance(JUDGE_INTERVAL_S)
    [letter] = await app.mails()
    [line] = letter.lines
    assert (letter.address, line.kind) == (address_of("soan"), "failed")
    assert (line.missed, line.expected) == (3, 21)
    app.clock.advance(JUDGE_INTERVAL_S)
    assert await app.told() == []


async def published(app: StaffMailApp, item: str = "tin-1", **data: object) -> None:
    await app.act(K.SAVE, "soan", item, draft(**data))
    for kind, login in ((K.SUBMIT, "soan"), (K.CONFIRM, "truong"), (K.PROPOSE, "bien")):
        await app.act(kind, login, item)
    await app.act(K.APPROVE, "duyet", item)
    await app.act(K.PUBLISH, "loa", item, role=RULE)


@pytest.mark.parametrize(("hours", "is_ahead"), [(2, True), (-2, False)])
async def test_a_published_text_says_when_readers_will_see_it(app, hours, is_ahead):
    begins = app.now + timedelta(hours=hours)
    await published(app, not_before=begins.isoformat())
    told = {mail.lines[0].kind: mail.lines[0].begins for mail in await app.mails()}
    assert told[StaffMailKind.PUBLISHED] == (begins if is_ahead else None)


async def test_a_mornings_mail_tells_no_time_that_has_come(app):
    await in_the_morning(app, "soan")
    await published(app, not_before=(app.now + timedelta(hours=2)).isoformat())
    await app.mails()
    at(app, "2026-11-27 08:00")
    [mail] = await app.mails()
    assert {line.begins for line in mail.lines} == {None}


async def test_what_fails_of_a_text_that_goes_out_late_is_told(app):
    begins = app.now + timedelta(days=20)
    await published(app, channels=["email"], not_before=begins.isoformat())
    await app.mails()
    app.clock.advance(timedelta(days=20, minutes=5).total_seconds())
    assert await app.told() == []
    mail = PlanKey(ChannelName.EMAIL, "tin-1", 1)
    app.delivered[mail] = StatusCounts(expected=2, delivered=1, failed=1, complete=True)
    app.clock.advance(JUDGE_INTERVAL_S)
    assert await app.told() == [("soan", "failed")]


async def test_a_delivery_to_all_and_one_without_end_tell_nothing(app):
    for number, counts in enumerate((StatusCounts(expected=5, delivered=5, complete=True), None)):
        item = f"tin-{number}"
        await app.act(K.SAVE, "soan", item, draft(channels=["email"]))
        for kind, login in ((K.SUBMIT, "soan"), (K.CONFIRM, "truong"), (K.PROPOSE, "bien")):
            await app.act(kind, login, item)
        await app.act(K.APPROVE, "duyet", item)
        await app.act(K.PUBLISH, "loa", item, role=RULE)
        if counts:
            app.delivered[PlanKey(ChannelName.EMAIL, item, 1)] = counts
    await app.mails()
    for days in (0, 8, 1):
        app.clock.advance(days * 86400 + JUDGE_INTERVAL_S)
        assert await app.told() == []


@pytest.mark.parametrize("at", ["draft", "returned", "in edit", "of the system"])
async def test_who_works_on_a_text_is_told_that_one_of_the_units_system_takes_its_place(app, at):
    system = {"role": UNIT_SYSTEM, "text": draft("Bản của hệ thống")}
    if at == "of the system":
        await app.act(K.RECEIVE, UNIT, **system)
    else:
        await app.act(K.SAVE, "soan", text=draft())
    if at in ("returned", "in edit"):
        await app.act(K.SUBMIT, "soan")
        await app.act(K.CONFIRM, "truong")
        await app.act(K.EDIT, "bien", text=draft("Bản đã sửa"))
    if at == "returned":
        await app.act(K.RETURN, "bien", note="Thiếu nguồn.")
    await app.mails()
    await app.act(K.RECEIVE, UNIT, **system | {"text": draft("Bản mới của hệ thống")})
    told = {login for login, kind in await app.told() if kind == "overtaken"}
    people = {"draft": {"soan"}, "of the system": set()}
    assert told == people.get(at, {"soan", "bien"})


async def test_who_made_an_issue_is_told_that_it_tells_of_a_withdrawn_item(app):
    """One mail about each issue; none about one that is not out."""
    for item in ("tin-1", "so-1", "so-2"):
        await published(app, item)
    await app.act(K.SAVE, "soan", "so-3", draft())
    await app.mails()
    app.issues = {"tin-1": ["so-1", "so-2", "so-3"]}
    await app.act(K.WITHDRAW, "bien", "tin-1", note="Sai.")
    told = [(one.address, one.lines[0]) for one in await app.mails()]
    about = [(address, line.content_id, line.withdrawn) for address, line in told if line.withdrawn]
    assert sorted(about) == [(address_of("soan"), issue, "tin-1") for issue in ("so-1", "so-2")]
    assert await app.mails() == []
