"""An interruption of services at the desk: its form, and the 7 working days before it begins."""

from datetime import date, datetime, timedelta
from urllib.parse import urlsplit

import pytest

from contracts.base.times import utc_now
from contracts.base.working_days import default_working_days
from contracts.interruptions.notice_period import earliest_begin
from contracts.text.moments import VIETNAM
from producers.desk.rendering import desk_texts
from tests.support.desk_app import COOKIE
from tests.support.events import released_publications
from tests.support.interruptions import SERVICES
from tests.support.newsroom import FIELDS, Newsroom, open_newsroom

FORCE = "Đứt cáp quang do sạt lở"


async def wait_until(newsroom: Newsroom, at: datetime) -> None:
    """Let time pass; each person signs in again."""
    newsroom.desk.clock.now = at.timestamp()
    for login, browser in newsroom.browsers.items():
        token = await newsroom.desk.session_of(login)
        browser.client.cookies.set(COOKIE, token, urlsplit(newsroom.desk.url).hostname)


def in_form(begins: datetime, hours: float = 6, **changes: str) -> dict[str, str]:
    """The fields of an interruption as the form sends them."""
    facts = {
        "services": "\r\n".join(SERVICES),
        "begins_at": as_local(begins),
        "expected_recovery_at": as_local(begins + timedelta(hours=hours)),
        "cause": "Nâng cấp hạ tầng",
        "alternative": "Nộp hồ sơ trực tiếp tại Bộ phận Một cửa",
    }
    return {f"interruption.{name}": value for name, value in (facts | changes).items()}


def as_local(at: datetime) -> str:
    return f"{at.astimezone(VIETNAM):%Y-%m-%dT%H:%M}"


@pytest.fixture
async def newsroom(desk):
    async with open_newsroom(desk) as opened:
        yield opened


@pytest.fixture
def lawful(newsroom) -> datetime:
    """The first evening that is lawful for an announcement of now."""
    day: date = earliest_begin(utc_now(newsroom.desk.clock), default_working_days())
    return datetime(day.year, day.month, day.day, 22, tzinfo=VIETNAM)


async def test_the_form_states_an_interruption_and_readers_get_it(newsroom, lawful):
    path = await newsroom.written(**in_form(lawful))
    form = (await newsroom["an"].get(f"{path}/sua")).text
    for value in (as_local(lawful), "\n".join(SERVICES), "Nâng cấp hạ tầng"):
        assert value in form
    assert f"{lawful:%d/%m/%Y}" in (await newsroom["an"].get("/soan-moi")).text, "the earliest day"
    await newsroom.approve(path)
    [released] = await released_publications(newsroom.desk.bus, path.removeprefix("/tin/"))
    said = released["interruption"]
    assert said["services"] == list(SERVICES)
    assert datetime.fromisoformat(said["begins_at"]) == lawful
    page = (await newsroom["an"].get(path)).text
    assert "Dự kiến hoạt động trở lại" in page and f"{lawful:%d/%m/%Y}" in page


async def test_a_form_without_an_interruption_says_none(newsroom):
    path = await newsroom.written()
    await newsroom.approve(path)
    [released] = await released_publications(newsroom.desk.bus, path.removeprefix("/tin/"))
    assert "interruption" not in released


async def test_a_late_one_is_refused_where_it_is_sent_and_names_the_earliest_day(newsroom, lawful):
    late = lawful - timedelta(days=1)
    path = await newsroom.written(**in_form(late))
    checked = await newsroom["an"].get(f"{path}/sua")
    assert checked.text.count(f"{lawful:%d/%m/%Y}") == 2, "beside the text, too"
    item = (await newsroom["an"].get(path)).text
    _, found, told = item.partition(desk_texts()["item"]["refused_now"]["submit"])
    assert found and f"{lawful:%d/%m/%Y}" in told, "before the button of the draft"
    refused = await newsroom["an"].press(path, f"{path}/gui")
    assert refused.status_code == 422
    assert f"{lawful:%d/%m/%Y}" in refused.text
    assert f'href="{path}/sua#interruption.begins_at"' in refused.text, "where it is put right"
    excused = FIELDS | in_form(late, force_majeure=FORCE)
    await newsroom["an"].press(f"{path}/sua", f"{path}/sua", **excused)
    await newsroom.approve(path)
    [released] = await released_publications(newsroom.desk.bus, path.removeprefix("/tin/"))
    assert released["interruption"]["force_majeure"] == FORCE


async def test_an_approval_that_comes_too_late_is_refused_until_the_text_says_why(newsroom, lawful):
    path = await newsroom.written(**in_form(lawful))
    await newsroom.press("an", path, "gui")
    await newsroom.press("binh", path, "xac-nhan", clean="1")
    await newsroom.press("chi", path, "trinh", clean="1")
    said = desk_texts()["item"]["refused_now"]["approve"]
    assert said not in (await newsroom["dung"].get(f"{path}/duyet")).text
    await wait_until(newsroom, utc_now(newsroom.desk.clock) + timedelta(days=4))
    assert said in (await newsroom["dung"].get(f"{path}/duyet")).text
    refused = await newsroom["dung"].press(path, f"{path}/duyet")
    assert refused.status_code == 422 and "bất khả kháng" in refused.text
    assert await released_publications(newsroom.desk.bus, path.removeprefix("/tin/")) == []


async def test_one_by_mail_to_staff_that_expires_early_is_refused_with_each_field(newsroom, lawful):
    hidden = {"channels": ["email"], "audiences": ["can-bo"], "expires_at": as_local(lawful)}
    path = await newsroom.written(**in_form(lawful) | hidden)
    item = (await newsroom["an"].get(path)).text
    assert desk_texts()["item"]["refused_now"]["submit"] in item, "before the button of the draft"
    refused = await newsroom["an"].press(path, f"{path}/gui")
    assert refused.status_code == 422
    for field in hidden:
        assert f'href="{path}/sua#{field}"' in refused.text, "where it is put right"
    await newsroom["an"].press(f"{path}/sua", f"{path}/sua", **FIELDS | in_form(lawful))
    await newsroom.approve(path)
    assert await released_publications(newsroom.desk.bus, path.removeprefix("/tin/"))


async def test_the_end_is_a_correction_at_any_time_and_another_time_is_a_new_announcement(
    newsroom, lawful
):
    path = await newsroom.written(**in_form(lawful))
    await newsroom.approve(path)
    content_id = path.removeprefix("/tin/")
    await wait_until(newsroom, lawful + timedelta(hours=7))
    ended = in_form(lawful, resumed_at=as_local(lawful + timedelta(hours=5)))
    reason = {"reason": "Dịch vụ đã hoạt động trở lại."}
    await newsroom["an"].press(f"{path}/sua", f"{path}/sua", **FIELDS | ended | reason)
    await newsroom.approve(path)
    published = await released_publications(newsroom.desk.bus, content_id)
    assert [one["action"] for one in published] == ["published", "corrected"]
    again = in_form(lawful + timedelta(days=1))
    await newsroom["an"].press(f"{path}/sua", f"{path}/sua", **FIELDS | again | reason)
    assert (await newsroom["an"].press(path, f"{path}/gui")).status_code == 422


async def test_a_text_of_the_topic_without_the_facts_is_pointed_out(newsroom):
    path = await newsroom.written(topic="thong-bao-tam-ngung-dich-vu")
    page = (await newsroom["an"].get(f"{path}/sua")).text
    assert "interruption.services" in page and "chưa điền mục" in page
