"""An issue of a bulletin at the desk: begun, put in order by buttons alone, and released."""

import io
import re
from datetime import timedelta

import pypdf
import pytest

from consumers.editorial.log import EditorialLog
from consumers.intake.release import Releaser
from contracts.base.times import utc_now
from contracts.text.moments import VIETNAM
from producers.desk.rendering import desk_texts
from tests.support.bulletin_desk import publish_last_week
from tests.support.bulletin_history import SERIES, SERIES_ID
from tests.support.events import released_publications
from tests.support.newsroom import open_newsroom
from tests.support.publications import a_publication

TEXTS = desk_texts()["bulletin"]
BEGIN = f"/ban-tin/{SERIES_ID}"
EMPTY = {"introduction": "", "compiled_by": ""}
TOPICS = {"mot": "the-che-chinh-sach", "hai": "the-che-chinh-sach", "ba": "chuyen-doi-so"}


@pytest.fixture
async def newsroom(desk):
    """People of the bulletin's unit; last week three items were published."""
    desk.unit = SERIES.unit
    await publish_last_week(desk, TOPICS)
    async with open_newsroom(desk) as opened:
        yield opened


async def begun(newsroom) -> str:
    """The path of the form of a new issue."""
    done = await newsroom["an"].press("/ban-tin", BEGIN)
    assert done.status_code == 303, done.text
    return done.headers["location"]


async def press(newsroom, path: str, button: str, **typed: str):
    return await newsroom["an"].press(path, path, edit=button, **EMPTY | typed)


async def order_in(newsroom, path: str) -> list[str]:
    page = (await newsroom["an"].get(path)).text
    return re.findall(r'data-entry="([^"]+)"', page)


async def test_an_issue_is_put_in_order_by_buttons_and_goes_to_readers(newsroom):
    path = await begun(newsroom)
    assert await order_in(newsroom, path) == ["mot", "hai", "ba"]
    marked = re.findall(r'href="([^"]*)" aria-current', (await newsroom["an"].get(path)).text)
    assert marked == ["/tin", "/ban-tin"], "the section and the page that leads here"
    done = await press(newsroom, path, "up:hai", introduction="Tuần qua.", **{"text.ba": "Ngắn."})
    assert done.headers["location"].endswith("?o=up:hai")
    page = (await newsroom["an"].get(done.headers["location"])).text
    assert re.search(r'value="up:hai" autofocus', page), "the keyboard stays on the button"
    await press(newsroom, path, "up:mot", introduction="Tuần qua.", **{"text.hai": "Lời riêng."})
    assert await order_in(newsroom, path) == ["mot", "hai", "ba"]
    done = await press(newsroom, path, "drop:hai", introduction="Tuần qua.")
    shown = (await newsroom["an"].get(done.headers["location"])).text
    [undo] = re.findall(r'value="(undo:hai:[^"]+)" autofocus', shown)
    done = await press(newsroom, path, undo, introduction="Tuần qua.")
    assert done.headers["location"].endswith("#muc-hai")
    assert await order_in(newsroom, path) == ["mot", "hai", "ba"]
    assert "Lời riêng." in (await newsroom["an"].get(path)).text
    refused = await press(newsroom, path, undo)
    assert refused.status_code == 409, "it is there"
    await press(newsroom, path, "drop:mot", introduction="Tuần qua.")
    await press(newsroom, path, "save", introduction="Tuần qua.", **{"section.hai": "quoc-te"})
    assert await order_in(newsroom, path) == ["ba", "hai"]
    await press(newsroom, path, "put:hai:so:ba", introduction="Tuần qua.")
    assert await order_in(newsroom, path) == ["hai", "ba"]
    await press(newsroom, path, "add", introduction="Tuần qua.", item="/tin/mot", to="quoc-te")
    item = path.removesuffix("/ban-tin")
    review = (await newsroom["dung"].get(f"{item}/duyet")).text
    assert desk_texts()["item"]["field"]["bulletin"] in review
    assert all(words in review for words in ("01/2027", "04/01/2027", "10/01/2027"))
    assert desk_texts()["marked"]["rule"] in review, "before the last lines of the issue"
    assert "Trong số này: " in review
    assert "DỰ THẢO" in await printed(newsroom, path)
    await newsroom.approve(item)
    text = await printed(newsroom, path)
    assert "Ngắn." in text and "DỰ THẢO" not in text
    [released] = await released_publications(newsroom.desk.bus, item.removeprefix("/tin/"))
    places = [
        released["body"].index(words) for words in ("Tuần qua.", "Tin hai", "Ngắn.", "Tin mot")
    ]
    assert places == sorted(places)


async def printed(newsroom, path: str) -> str:
    """The text of the issue's first page in print."""
    answer = await newsroom["dung"].get(f"{path}/in")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/pdf")
    return pypdf.PdfReader(io.BytesIO(answer.content)).pages[0].extract_text()


async def test_a_second_press_begins_no_second_issue(newsroom):
    page = await newsroom["an"].get("/ban-tin")
    first = await newsroom["an"].submit(page, BEGIN)
    assert first.headers["location"] == f"/tin/{SERIES_ID}-2027-so-01/ban-tin"
    again = await newsroom["an"].submit(page, BEGIN)
    assert again.headers["location"] == first.headers["location"], "as if its answer was lost"
    other = await newsroom["an"].press("/ban-tin", BEGIN)
    assert other.status_code in (409, 422) and "11/01/2027" in other.text
    assert_faults_lead_to_fields(other.text)
    states = (await EditorialLog(newsroom.desk.bus).audit()).states
    assert list(states) == [f"{SERIES_ID}-2027-so-01"]


async def test_an_issue_is_begun_early_with_the_days_that_are_typed(newsroom):
    await begun(newsroom)
    refused = await newsroom["an"].press("/ban-tin", BEGIN)
    assert "--" not in refused.text, "no option of a command"
    none = {"first_day": "2027-13-01", "last_day": "2027-01-11"}
    refused = await newsroom["an"].press("/ban-tin", BEGIN, **none)
    assert refused.status_code == 422 and "phải là một ngày" in refused.text
    wrong = ({"first_day": "2027-01-11"}, {"first_day": "2027-01-12", "last_day": "2027-01-11"})
    for days in wrong:
        refused = await newsroom["an"].press("/ban-tin", BEGIN, **days)
        assert refused.status_code == 422 and 'id="last_day-loi"' in refused.text
        assert f'value="{days["first_day"]}"' in refused.text
    days = {"first_day": "2027-01-11", "last_day": "2027-01-14"}
    done = await newsroom["an"].press("/ban-tin", BEGIN, **days)
    item = done.headers["location"].removesuffix("/ban-tin")
    assert "14/01/2027" in (await newsroom["dung"].get(f"{item}/duyet")).text


async def test_a_number_given_up_before_a_later_one_is_begun_again_with_its_days(newsroom):
    await newsroom.approve((await begun(newsroom)).removesuffix("/ban-tin"))
    days = [{"first_day": f"2027-01-{one}", "last_day": f"2027-01-{one}"} for one in (11, 12, 13)]
    for one in days[:2]:
        await newsroom["an"].press("/ban-tin", BEGIN, **one)
    item = f"/tin/{SERIES_ID}-2027-so-02"
    checked = (await newsroom["an"].get(f"{item}/sua")).text
    assert "giống" not in checked, "titles of a bulletin differ in their numbers alone"
    await newsroom["an"].press(item, f"{item}/bo")
    refused = await newsroom["an"].press("/ban-tin", BEGIN, **days[2])
    assert refused.status_code == 409 and 'id="last_day-loi"' in refused.text
    assert "số 2" in refused.text and "12/01/2027" in refused.text
    done = await newsroom["an"].press("/ban-tin", BEGIN)
    assert done.headers["location"] == f"{item}/ban-tin"
    review = (await newsroom["dung"].get(f"{item}/duyet")).text
    assert "11/01/2027" in review
    said = desk_texts()["item"]["readers"]["none_before"]
    assert said in (await newsroom["an"].get(item)).text, "its number 2 is no second publication"


async def test_what_another_person_saved_meanwhile_is_not_lost(newsroom):
    path = await begun(newsroom)
    old = await newsroom["an"].get(path)
    await press(newsroom, path, "drop:mot")
    typed = {"edit": "save", "introduction": "Lời giới thiệu của tôi.", "compiled_by": ""}
    refused = await newsroom["an"].submit(old, path, **typed)
    assert refused.status_code == 409 and "Lời giới thiệu của tôi." in refused.text
    assert_faults_lead_to_fields(refused.text)
    assert await order_in(newsroom, path) == ["hai", "ba"]


@pytest.mark.parametrize("typed", [
    {"edit": "add", "item": "khong-co", "to": "so"}, {"edit": "up:khong-co"}, {"edit": "la"},
    {"edit": "add", "item": "mot", "to": "so"}, {"edit": "save", "introduction": "x" * 5000},
    {"edit": "save", "text.hai": "x" * 5000}, {"edit": "save", "compiled_by": "x" * 500},
])  # fmt: skip
async def test_what_cannot_be_done_is_said_and_nothing_changes(newsroom, typed):
    path = await begun(newsroom)
    refused = await newsroom["an"].press(path, path, **EMPTY | typed)
    assert 400 <= refused.status_code < 500
    assert_faults_lead_to_fields(refused.text)
    assert await order_in(newsroom, path) == ["mot", "hai", "ba"]


def assert_faults_lead_to_fields(page: str) -> None:
    """Each error at the head of a form leads to a field of it."""
    places = set(re.findall(r' id="([^"]+)"', page))
    named = re.findall(r'<li><a href="#([^"]+)"', page)
    assert named and set(named) <= places


def said_before(page: str, act: str) -> list[str]:
    """The beginnings of what would refuse an act now, as the page says before its button."""
    said = desk_texts()["item"]["refused_now"][act]
    found = re.search(rf"<p>{said}</p>\s*<ul>(.*?)</ul>", page, re.S)
    return re.findall(r"<li>(.*?) sau khi", found[1]) if found else []


async def test_an_item_that_changed_since_is_marked_and_the_issue_is_not_approved(newsroom):
    path = await begun(newsroom)
    item = path.removesuffix("/ban-tin")
    await newsroom.press("an", item, "gui")
    await newsroom.press("binh", item, "xac-nhan", clean="1")
    await newsroom.press("chi", item, "trinh", clean="1")
    assert TEXTS["outdated"] not in (await newsroom["dung"].get(path)).text
    assert said_before((await newsroom["dung"].get(f"{item}/duyet")).text, "approve") == []
    withdrawn = a_publication(
        content_id="hai", revision=2, action="withdrawn", topic=TOPICS["hai"], body="",
        released_at=utc_now(newsroom.desk.clock),
    )  # fmt: skip
    await Releaser(newsroom.desk.bus, await newsroom.desk.open_seals()).store(withdrawn)
    page = (await newsroom["dung"].get(path)).text
    assert TEXTS["outdated"] in page and 'name="edit"' not in page, "who approves edits nothing"
    review = (await newsroom["dung"].get(f"{item}/duyet")).text
    assert said_before(review, "approve") == ["Tin “Tin hai” (hai) đã được gỡ"]
    refused = await newsroom["dung"].press(f"{item}/duyet", f"{item}/duyet")
    assert refused.status_code == 422 and "“Tin hai” (hai) đã được gỡ" in refused.text
    await newsroom.press("dung", item, "tra-lai", note="Bỏ tin đã gỡ.")
    mark = f'<strong class="late">{TEXTS["changed"]}</strong>'
    assert (await newsroom["an"].get(path)).text.count(mark) == 1


async def test_the_page_of_an_approved_issue_says_at_once_what_changed_before_its_time(newsroom):
    path = await begun(newsroom)
    item = path.removesuffix("/ban-tin")
    text = (await EditorialLog(newsroom.desk.bus).read(item.removeprefix("/tin/"))).state.text.data
    later = (utc_now(newsroom.desk.clock) + timedelta(days=3)).astimezone(VIETNAM)
    fields = {name: text[name] for name in ("title", "summary", "body", "topic")}
    fields |= {"not_before": f"{later:%Y-%m-%dT%H:%M}", "channels": ["portal"], "lane": "normal"}
    assert (await newsroom["an"].press(f"{item}/sua", f"{item}/sua", **fields)).status_code == 303
    await newsroom.approve(item)
    assert TEXTS["waiting_changed"] not in (await newsroom["dung"].get(item)).text
    withdrawn = a_publication(
        content_id="hai", revision=2, action="withdrawn", topic=TOPICS["hai"], body="",
        released_at=utc_now(newsroom.desk.clock),
    )  # fmt: skip
    await Releaser(newsroom.desk.bus, await newsroom.desk.open_seals()).store(withdrawn)
    for who in ("an", "chi", "dung"):
        page = (await newsroom[who].get(item)).text
        assert f"{TEXTS['waiting_changed']} <bdi>Tin hai</bdi>" in page
        assert TEXTS["outdated"] in (await newsroom[who].get(path)).text


async def test_an_issue_without_any_item_is_not_proposed(newsroom):
    path = await begun(newsroom)
    item = path.removesuffix("/ban-tin")
    for name in TOPICS:
        await press(newsroom, path, f"drop:{name}")
    await newsroom.press("an", item, "gui")
    await newsroom.press("binh", item, "xac-nhan", clean="1")
    said = desk_texts()["item"]["field"]["bulletin"] + " chưa có tin nào"
    assert said in (await newsroom["chi"].get(item)).text, "before the button"
    refused = await newsroom["chi"].press(item, f"{item}/trinh", clean="1")
    assert refused.status_code == 422 and said in refused.text


async def test_an_item_that_is_no_issue_has_no_such_page(newsroom):
    item = await newsroom.written(unit=SERIES.unit)
    for page in ("ban-tin", "ban-tin/in"):
        assert (await newsroom["an"].get(f"{item}/{page}")).status_code == 404
    assert f"{item}/ban-tin" not in (await newsroom["an"].get(item)).text


async def test_who_takes_an_item_back_sees_the_issue_that_tells_of_it(newsroom):
    """A withdrawal does not change the issue; one press begins the correction that does."""
    told = await newsroom.written(unit=SERIES.unit)
    await newsroom.approve(told)
    await release(newsroom, told, revision=2, action="corrected", reason="Sai.")
    path = await begun(newsroom)
    issue = path.removesuffix("/ban-tin")
    assert TEXTS["told_in"] not in (await newsroom["dung"].get(told)).text, "it is no issue yet"
    await newsroom.approve(issue)
    page = (await newsroom["dung"].get(told)).text
    assert TEXTS["told_in"] in page and f'href="{issue}"' in page
    gone = await newsroom.press("dung", told, "go", note="Sai số điện thoại.")
    assert f'href="{issue}"' in gone.text and "/dinh-chinh-so" not in gone.text, "no right to write"
    await release(newsroom, told, revision=3, action="withdrawn", body="")
    await corrected_by_its_writer(newsroom, told, issue)


async def release(newsroom, path: str, **facts) -> None:
    """Release a revision of an item under the seal that the desk asks for."""
    name, now = path.removeprefix("/tin/"), utc_now(newsroom.desk.clock)
    topic = "cai-cach-hanh-chinh"
    released = a_publication(content_id=name, topic=topic, released_at=now, **facts)
    await Releaser(newsroom.desk.bus, await newsroom.desk.open_seals()).store(released)


async def corrected_by_its_writer(newsroom, told: str, issue: str) -> None:
    """One press makes the draft, a repeat the same one, and its approval takes the item out."""
    act, name = f"{issue}/dinh-chinh-so", issue.removeprefix("/tin/")
    for page in (told, issue, f"{issue}/ban-tin"):
        assert act in (await newsroom["an"].get(page)).text
    page = await newsroom["an"].get(told)
    done = await newsroom["an"].submit(page, act)
    assert done.headers["location"] == f"{issue}/ban-tin?o=correct"
    state = (await EditorialLog(newsroom.desk.bus).read(name)).state
    assert "1 tin đã gỡ" in state.text.data["reason"] and told.removeprefix("/tin/") not in str(
        state.text.data
    )
    assert (await newsroom["an"].submit(page, act)).status_code == 303
    assert (await EditorialLog(newsroom.desk.bus).read(name)).state.hash == state.hash
    for page in (told, issue):
        text = (await newsroom["an"].get(page)).text
        assert TEXTS["correction_waits"] in text and act not in text
    [out] = await released_publications(newsroom.desk.bus, name)
    await newsroom.approve(issue)
    page = (await newsroom["an"].get(issue)).text
    assert TEXTS["stale"] not in page
    assert desk_texts()["item"]["correction"] not in page, "its status says it already"
    assert TEXTS["told_in"] not in (await newsroom["an"].get(told)).text
    *_, out = await released_publications(newsroom.desk.bus, name)
    assert out["action"] == "corrected" and told.removeprefix("/tin/") not in str(out["bulletin"])


async def test_the_days_of_a_draft_lead_to_it_and_days_of_another_issue_are_refused(newsroom):
    path = await begun(newsroom)
    days = {"first_day": "2027-01-04", "last_day": "2027-01-10"}
    again = await newsroom["an"].press("/ban-tin", BEGIN, **days)
    assert again.headers["location"] == f"{path}?o=known"
    assert TEXTS["known"] in (await newsroom["an"].get(again.headers["location"])).text
    for wrong in ({"first_day": "2027-01-10"}, {"first_day": "2030-01-01"}):
        last = {"last_day": wrong["first_day"]}
        refused = await newsroom["an"].press("/ban-tin", BEGIN, **wrong | last)
        assert refused.status_code in (409, 422) and 'id="first_day-loi"' in refused.text
    states = (await EditorialLog(newsroom.desk.bus).audit()).states
    assert list(states) == [path.split("/")[2]]
