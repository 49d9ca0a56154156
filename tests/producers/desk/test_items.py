"""A text's whole way over the desk's pages, by the people whose turn it is."""

import re
from contextlib import suppress
from datetime import datetime, timedelta

import pytest

from consumers.desk.item_acts import ItemActs
from consumers.editorial.log import EditorialLog
from consumers.intake.repository import ItemRepository
from contracts.base.times import utc_now
from contracts.content import Broadcast, Corrected
from contracts.delivery import ChannelName
from contracts.editorial import ActionKind, Status
from contracts.editorial.action import GIVEN_UP
from contracts.errors import Conflict
from contracts.text.moments import VIETNAM
from contracts.vocabulary import UNDECIDED_TOO_LONG
from producers.bus import BusError
from producers.desk.items.pages import broadcast_words
from producers.desk.items.text_form import TextForm
from producers.desk.rendering import desk_texts
from tests.support.desk_app import heading
from tests.support.events import (
    ITEM,
    UNIT,
    corrected,
    register_unit,
    released_publications,
    submitted,
)
from tests.support.interruptions import an_interruption
from tests.support.newsroom import FIELDS, NAMES, TEXT, open_newsroom

TEXTS = desk_texts()["item"]
SEEN, AHEAD, GONE = (TEXTS["readers"][name] for name in ("seen", "ahead", "gone"))


@pytest.fixture
async def newsroom(desk):
    async with open_newsroom(desk) as opened:
        yield opened


def offered(page, path: str) -> set[str]:
    """The acts for which a page has a form."""
    return set(re.findall(rf'action="{path}/([a-z-]+)"', page.text))


async def test_a_text_goes_from_the_officer_over_leader_and_editor_to_readers(newsroom):
    path = await newsroom.written()
    page = await newsroom["an"].get(path)
    assert (
        heading(page) == f"<bdi>{TEXT['title']}</bdi>"
        and TEXTS["status_names"]["draft"] in page.text
    )
    await newsroom.press("an", path, "gui")
    await newsroom.press("binh", path, "xac-nhan", clean="1")
    changed = {**FIELDS, "title": "Hướng dẫn nộp hồ sơ trực tuyến tại Bộ"}
    edited = await newsroom["chi"].press(f"{path}/sua", f"{path}/sua", **changed)
    assert edited.headers["location"] == path
    await newsroom.press("chi", path, "trinh", clean="1")
    review = await newsroom["dung"].get(f"{path}/duyet")
    assert "<ins>" in review.text and "tại Bộ" in review.text
    page = await newsroom.press("dung", f"{path}/duyet".removesuffix("/duyet"), "duyet")
    [released] = await released_publications(newsroom.desk.bus, path.removeprefix("/tin/"))
    assert (released["title"], released["channels"]) == (changed["title"], ["portal", "email"])
    page = await newsroom["an"].get(path)
    assert TEXTS["status_names"]["published"] in page.text


async def test_a_text_is_shown_as_published_only_between_its_times(newsroom):
    names, clock = TEXTS["status_names"], newsroom.desk.clock
    start = utc_now(clock).astimezone(VIETNAM)
    times = {
        "not_before": (start + timedelta(minutes=8)).strftime("%Y-%m-%dT%H:%M"),
        "expires_at": (start + timedelta(minutes=16)).strftime("%Y-%m-%dT%H:%M"),
    }
    path = await newsroom.written(**times)
    await newsroom.approve(path)
    for minutes, status in ((0, "scheduled"), (8, "published"), (9, "expired")):
        clock.advance(minutes * 60)
        page = await newsroom["an"].get(path)
        assert f"<strong>{names[status]}</strong>" in page.text
        assert (SEEN.format(1) in page.text) is (status == "published")


def test_each_status_and_act_has_a_name_and_each_button_a_text():
    assert TEXTS["status_names"].keys() == {one.value for one in Status}
    assert TEXTS["act"].keys() == {one.value for one in ActionKind}
    assert TEXTS["channel"].keys() == {one.value for one in ChannelName}


PDF = {"url": "https://moha.gov.vn/van-ban.pdf", "title": "Văn bản"}
BEFORE = {"attachments": [PDF | {"size": 1}], "links": [PDF]}
CHANGED = {
    "topic": "viec-lam",
    "title": "Tiêu đề khác",
    "short_title": "Ngắn",
    "summary": "Tóm tắt khác.",
    "language": "en",
    "author": "Vụ Tổ chức",
    "cover": {"url": "https://moha.gov.vn/anh.png", "alt": "Trụ sở"},
    "links": [],
    "attachments": [PDF | {"size": 2}],
    "audiences": ["can-bo"],
    "channels": ["portal"],
    "lane": "bulk",
    "not_before": "2027-02-01T08:00:00+07:00",
    "expires_at": "2027-03-01T08:00:00+07:00",
    "broadcast": {"enabled": False},
    "interruption": an_interruption(datetime(2027, 2, 1, 22, tzinfo=VIETNAM)),
    "body": "Nội dung khác.",
    "reason": "Sai số liệu.",
}
POSITION = {"content_id", "revision", "corrects_revision"}
OF_ISSUES = {"bulletin", "campaign", "campaign_entry", "campaign_plan"}
"""`test_bulletins` and `test_campaigns` look at these."""


async def test_the_review_names_every_published_field_that_was_changed(newsroom):
    assert Corrected.model_fields.keys() - POSITION - OF_ISSUES == CHANGED.keys()
    await register_unit(newsroom.desk.bus, UNIT, release="automatic")
    await newsroom.intake.handle(submitted(**BEFORE), UNIT)
    await newsroom.carry_out()
    await register_unit(newsroom.desk.bus, UNIT, release="desk")
    await newsroom.intake.handle(corrected(**CHANGED), UNIT)
    page = (await newsroom["dung"].get(f"/tin/{ITEM}/duyet")).text
    assert TEXTS["base"]["da-dang"] in page, "against what is out"
    named = set(re.findall("<h3>(.*?)</h3>", page))
    assert {name for name in CHANGED if TEXTS["field"][name] not in named} == set()


FOLLOWERS = {
    "enabled": False,
    "ages": ["18-24"],
    "gender": "female",
    "regions": ["north"],
    "provinces": ["ha-noi"],
    "also": ["tin-khac"],
}


def test_the_words_for_a_broadcast_tell_each_choice_of_followers():
    assert Broadcast.model_fields.keys() == FOLLOWERS.keys()
    usual = broadcast_words(TextForm({}))
    for name, value in FOLLOWERS.items():
        assert broadcast_words(TextForm({"broadcast": {name: value}})) != usual, name


@pytest.mark.parametrize("language", ["en", "lo"])
async def test_a_text_keeps_its_language_when_a_letter_is_corrected(newsroom, language):
    await register_unit(newsroom.desk.bus, UNIT, release="desk")
    await newsroom.intake.handle(submitted(language=language), UNIT)
    path = f"/tin/{ITEM}"
    form = (await newsroom["chi"].get(f"{path}/sua")).text
    assert f'<option value="{language}" selected>' in form
    changed = FIELDS | {"title": "Office hours"}
    edited = await newsroom["chi"].press(f"{path}/sua", f"{path}/sua", **changed)
    assert edited.status_code == 303, edited.text
    await newsroom.press("chi", path, "trinh", clean="1")
    await newsroom.press("dung", path, "duyet")
    [released] = await released_publications(newsroom.desk.bus)
    assert (released["title"], released["language"]) == ("Office hours", language)


async def test_the_review_shows_what_stayed_as_readers_see_it_and_marks_what_is_written(newsroom):
    table = "| Vị trí | Chỉ tiêu |\n| --- | ---: |\n| Chuyên viên | 4 |"
    body = f"## Chỉ tiêu\n\n{table}\n\nNộp **trước** ngày 05.\n\n[a]: https://moha.gov.vn/a"
    path = await newsroom.written(body=body)
    first = (await newsroom["an"].get(f"{path}/duyet")).text
    assert "<h2>Chỉ tiêu</h2>" in first and "<strong>trước</strong>" in first
    await newsroom.press("an", path, "gui")
    await newsroom.press("binh", path, "xac-nhan", clean="1")
    changed = FIELDS | {"body": body.replace("ngày 05", "ngày 15")}
    await newsroom["chi"].press(f"{path}/sua", f"{path}/sua", **changed)
    page = (await newsroom["chi"].get(f"{path}/duyet")).text
    assert "<h2>Chỉ tiêu</h2>" in page and "<td>Chuyên viên</td>" in page
    assert "Nộp **trước** ngày" in page and "<del>" in page and "<ins>" in page
    assert "[a]: https://moha.gov.vn/a" in page, "nothing of the text is left out"
    assert all(f"[{number}]" in page for number in (1, 2, 3, 4)), "remarks name paragraphs"
    same = desk_texts()["marked"]["unchanged"]
    [line] = re.findall(f"{same}(.*?)</p>", page)
    assert TEXTS["field"]["title"] in line and f"<h3>{TEXTS['field']['title']}</h3>" not in page


async def test_each_person_is_offered_what_that_person_may_do(newsroom):
    path = await newsroom.written()
    assert offered(await newsroom["an"].get(path), path) == {"gui", "bo", "gop-y"}
    await newsroom.press("an", path, "gui")
    assert offered(await newsroom["an"].get(path), path) == {"gop-y"}
    assert offered(await newsroom["binh"].get(path), path) == {"xac-nhan", "tra-lai", "gop-y"}
    assert offered(await newsroom["chi"].get(path), path) == {"gop-y"}
    await newsroom.press("binh", path, "xac-nhan", clean="1")
    assert offered(await newsroom["chi"].get(path), path) == {"trinh", "tra-lai", "gop-y"}
    await newsroom.press("chi", path, "trinh", clean="1")
    page = await newsroom["dung"].get(path)
    assert offered(page, path) == {"duyet", "tra-lai", "tu-choi", "gop-y"}


async def test_who_is_barred_reads_why(newsroom):
    """The unit's leader has written the text."""
    done = await newsroom["binh"].press("/soan-moi", "/soan-moi", **TEXT)
    path = done.headers["location"]
    await newsroom.press("binh", path, "gui")
    page = await newsroom["binh"].get(path)
    assert "xac-nhan" not in offered(page, path) and TEXTS["barred"] in page.text


async def test_a_checkpoint_needs_the_promise_and_a_return_the_reason(newsroom):
    path = await newsroom.written()
    await newsroom.press("an", path, "gui")
    for act in ("xac-nhan", "tra-lai"):
        refused = await newsroom["binh"].press(path, f"{path}/{act}")
        assert refused.status_code == 422, act
    assert '<details class="fold" open>' in refused.text, "what was refused is open"
    page = await newsroom.press("binh", path, "tra-lai", note="Thiếu căn cứ.")
    assert TEXTS["status_names"]["returned"] in page.text
    why, acts = page.text.index("Thiếu căn cứ."), page.text.index(f"<h2>{TEXTS['acts']}</h2>")
    assert why < acts, "the reason stands above what is to be done now"


async def test_two_presses_are_one_act_and_one_item(newsroom):
    page = await newsroom["an"].get("/soan-moi")
    first, second = [await newsroom["an"].submit(page, "/soan-moi", **TEXT) for _ in range(2)]
    assert first.headers["location"] == second.headers["location"]
    path = first.headers["location"]
    page = await newsroom["an"].get(path)
    for _ in range(2):
        done = await newsroom["an"].submit(page, f"{path}/gui")
        assert done.status_code == 303
    page = await newsroom["an"].get(path)
    assert page.text.count(f"<strong>{TEXTS['act']['submit']}</strong>") == 1


async def test_a_press_whose_answer_was_lost_is_done_though_the_step_is_over(newsroom):
    """The leader may return only what waits for the unit; the act has returned it."""
    path = await newsroom.written()
    await newsroom.press("an", path, "gui")
    page = await newsroom["binh"].get(path)
    for _ in range(2):
        done = await newsroom["binh"].submit(page, f"{path}/tra-lai", note="Thiếu căn cứ.")
        assert (done.status_code, done.headers.get("location")) == (303, f"{path}?xong=return")
    page = await newsroom["an"].get(path)
    assert page.text.count(f"<strong>{TEXTS['act']['return']}</strong>") == 1


async def test_a_text_that_another_changed_meanwhile_is_not_overwritten(newsroom):
    path = await newsroom.written()
    page = await newsroom["an"].get(f"{path}/sua")
    await newsroom["binh"].press(f"{path}/sua", f"{path}/sua", **FIELDS | {"title": "Tiêu đề khác"})
    typed = FIELDS | {"title": "Tiêu đề của tôi"}
    refused = await newsroom["an"].submit(page, f"{path}/sua", **typed)
    assert refused.status_code == 409 and "Tiêu đề của tôi" in refused.text


async def test_an_unfinished_draft_is_kept_and_sent_only_when_it_is_whole(newsroom):
    path = await newsroom.written(body="", topic="khong-co")
    refused = await newsroom["an"].press(path, f"{path}/gui")
    assert refused.status_code == 422 and TEXTS["field"]["body"] in refused.text


async def test_a_planned_time_is_moved_and_approved_again(newsroom):
    path = await newsroom.written(not_before="2027-01-25T09:30")
    await newsroom.approve(path)
    await newsroom.press("an", path, "doi-gio", not_before="2027-01-26T10:00")
    await newsroom.approve(path)
    texts = await released_publications(newsroom.desk.bus, path.removeprefix("/tin/"))
    times = [one["not_before"] for one in texts]
    assert times == ["2027-01-25T02:30:00Z", "2027-01-26T03:00:00Z"]
    assert [one["action"] for one in texts] == ["published", "published"]
    page = await newsroom["an"].get(path)
    assert "Đổi giờ đăng: 10:00 ngày 26/01/2027" in page.text, "its history says so"


async def test_a_text_that_readers_have_gets_no_other_time(newsroom):
    path = await newsroom.written()
    await newsroom.approve(path)
    page = await newsroom["an"].get(path)
    assert f'action="{path}/doi-gio"' not in page.text
    [hash] = set(re.findall('name="hash" value="([0-9a-z]+)"', page.text))
    later = {"act_id": "1" * 32, "hash": hash, "not_before": "2027-01-26T10:00"}
    refused = await newsroom["an"].post(f"{path}/doi-gio", **later)
    assert refused.status_code == 409 and TEXTS["status_names"]["published"] in refused.text


@pytest.mark.parametrize("is_sent", [False, True])
async def test_a_time_that_is_moved_twice_by_one_button_is_moved_once(newsroom, is_sent):
    path = await newsroom.written(not_before="2027-01-25T09:30")
    if is_sent:
        await newsroom.press("an", path, "gui")
        await newsroom.press("binh", path, "xac-nhan", clean="1")
    mover = newsroom["chi" if is_sent else "an"]
    page = await mover.get(path)
    for _ in range(2):
        done = await mover.submit(page, f"{path}/doi-gio", not_before="2027-01-26T10:00")
        assert done.headers.get("location", "").endswith("xong=move"), done.text


async def test_the_time_that_a_text_has_is_no_other_time(newsroom):
    path = await newsroom.written(not_before="2027-01-25T09:30")
    await newsroom.approve(path)
    refused = await newsroom["an"].press(path, f"{path}/doi-gio", not_before="2027-01-25T09:30")
    assert refused.status_code == 422 and "trùng với giờ đang có" in refused.text


@pytest.mark.parametrize("none", ["mai", "0001-01-01", "9999-12-31T23:00-12:00"])
async def test_a_time_that_is_none_is_refused_on_the_items_page(newsroom, none):
    path = await newsroom.written(not_before="2027-01-25T09:30")
    await newsroom.approve(path)
    refused = await newsroom["an"].press(path, f"{path}/doi-gio", not_before=none)
    assert refused.status_code == 422 and f'action="{path}/doi-gio"' in refused.text


ODD_ADDRESSES = (
    *("/tin/*", "/tin/%3E", "/tin/a%20b/xem-truoc", "/tin/a.*/se-toi-ai", "/tin/A/dang-gui"),
    *("/nhan-su/*", "/don-vi/a%20b", "/su-kien-loai/%3E"),
)


async def test_an_address_with_an_id_that_is_none_has_no_page(newsroom):
    for path in ODD_ADDRESSES:
        assert (await newsroom["chi"].get(path)).status_code == 404, path


async def test_numbers_that_no_page_offers_are_none(newsroom):
    last = "recent.0.9999999999999999999.0"
    assert (await newsroom["chi"].get(f"/tin?sau={last}")).status_code == 200
    path = await newsroom.written() + "/se-toi-ai"
    sent = await newsroom["chi"].post(path, ban="9" * 5000)
    assert sent.status_code < 500


@pytest.mark.parametrize("planned", ["2027-01-25T09:30", "2027-01-25T09:30:15"])
async def test_the_form_shows_a_planned_time_as_exact_as_it_is_stored(newsroom, planned):
    path = await newsroom.written(not_before=planned)
    assert f'value="{planned}"' in (await newsroom["an"].get(f"{path}/sua")).text


async def test_a_planned_time_that_is_moved_is_no_correction(newsroom):
    path = await newsroom.written(not_before="2027-01-25T09:30")
    await newsroom.approve(path)
    moved = await newsroom.press("an", path, "doi-gio", not_before="2027-01-26T10:00")
    assert TEXTS["move"] in moved.text and TEXTS["correction"] not in moved.text
    assert "T10:00" not in moved.text.partition("<h2>")[0], "one form of dates"
    changed = FIELDS | {"not_before": "2027-01-26T10:00", "body": "Khác."}
    await newsroom["an"].press(f"{path}/sua", f"{path}/sua", **changed)
    assert TEXTS["replaces_planned"] in (await newsroom["an"].get(path)).text


async def test_what_readers_see_is_right_behind_every_step(newsroom):
    path = await newsroom.written(not_before="2027-01-25T09:30")
    await newsroom.approve(path)
    page = await newsroom["an"].get(path)
    assert AHEAD.format(1) in page.text and f"{TEXTS['act']['publish']}<" not in page.text
    moved = await newsroom.press("an", path, "doi-gio", not_before="2027-01-26T10:00")
    assert AHEAD.format(1) in moved.text and SEEN.format(1) not in moved.text
    other = await newsroom.written()
    await newsroom.approve(other)
    assert SEEN.format(1) in (await newsroom["an"].get(other)).text
    correction = FIELDS | {"body": "Đoạn đúng.", "reason": "Sai số hiệu."}
    await newsroom["an"].press(f"{other}/sua", f"{other}/sua", **correction)
    await newsroom.press("an", other, "gui")
    await newsroom.press("binh", other, "xac-nhan", clean="1")
    await newsroom.press("chi", other, "trinh", clean="1")
    await newsroom["dung"].press(other, f"{other}/duyet")
    approved = await newsroom["dung"].get(other)
    assert SEEN.format(1) in approved.text and AHEAD.format(1) not in approved.text
    await newsroom.carry_out()
    assert SEEN.format(2) in (await newsroom["dung"].get(other)).text
    gone = await newsroom.press("dung", other, "go", note="Văn bản đã bị bãi bỏ.")
    assert GONE.format(2) in gone.text and TEXTS["readers"]["none"] not in gone.text
    assert f'href="{other}/dang-gui"' in gone.text


async def test_a_correction_of_a_units_system_needs_no_reason_that_of_an_officer_does(newsroom):
    bus = newsroom.desk.bus
    await register_unit(bus, UNIT, release="automatic")
    await newsroom.intake.handle(submitted(topic="cai-cach-hanh-chinh"), UNIT)
    await register_unit(bus, UNIT, release="desk")
    await newsroom.intake.handle(corrected(topic="cai-cach-hanh-chinh", body="Đúng."), UNIT)
    await newsroom.press("binh", f"/tin/{ITEM}", "xac-nhan", clean="1")
    page = await newsroom.press("chi", f"/tin/{ITEM}", "trinh", clean="1")
    assert TEXTS["status_names"]["pending_approval"] in page.text


async def test_a_planned_text_that_is_moved_is_sent_on_without_a_reason(newsroom):
    path = await newsroom.written(not_before="2027-01-25T09:30")
    await newsroom.approve(path)
    await newsroom.press("an", path, "doi-gio", not_before="2027-01-26T10:00")
    page = await newsroom.press("an", path, "gui")
    assert TEXTS["status_names"]["submitted"] in page.text


async def test_an_empty_remark_and_a_missing_pledge_are_told_in_their_own_words(newsroom):
    path = await newsroom.written()
    empty = await newsroom["an"].press(path, f"{path}/gop-y", note=" ")
    assert "Xin Quý vị ghi nội dung góp ý" in empty.text
    await newsroom.press("an", path, "gui")
    unsaid = await newsroom["binh"].press(path, f"{path}/xac-nhan")
    assert "Xin Quý vị đọc và đánh dấu vào lời cam kết" in unsaid.text
    missing = await newsroom["an"].get("/tin/khong-co")
    assert missing.status_code == 404 and desk_texts()["refused"]["after"] not in missing.text


async def test_who_wrote_a_draft_deletes_it(desk, newsroom):
    path = await newsroom.written()
    assert "bo" not in offered(await newsroom["binh"].get(path), path), "another's draft"
    page = await newsroom.press("an", path, "bo")
    assert TEXTS["given_up"] in page.text and TEXTS["done"]["give_up"] in page.text
    assert (
        GIVEN_UP not in page.text and f'<p class="notice">{TEXTS["act"]["reject"]}' not in page.text
    )
    assert offered(page, path) == {"gop-y"}
    state = (await EditorialLog(desk.bus).read(path.removeprefix("/tin/"))).state
    assert not state.is_unfinished, "intake has settled it, and it took no position"
    assert await desk.bus.bucket("publications").get(path.removeprefix("/tin/")) is None
    lists = await newsroom["an"].get("/")
    assert f"<h2>{desk_texts()['list']['unsent']}</h2>" not in lists.text
    again = await newsroom["an"].press(f"{path}/sua", f"{path}/sua", **FIELDS | {"body": "Lại."})
    assert again.status_code == 303, "what was deleted can be taken up again"
    await newsroom.approve(path)
    [released] = await released_publications(desk.bus, path.removeprefix("/tin/"))
    assert released["revision"] == 2


async def test_a_returned_text_is_deleted_with_its_position(desk, newsroom):
    path = await newsroom.written()
    await newsroom.press("an", path, "gui")
    await newsroom.press("binh", path, "tra-lai", note="Chưa được.")
    await newsroom.press("an", path, "bo")
    content_id = path.removeprefix("/tin/")
    position = await ItemRepository(desk.bus).position(content_id, 1)
    assert (position.state, position.code) == ("refused", GIVEN_UP)
    assert not (await EditorialLog(desk.bus).read(content_id)).state.is_unfinished


async def test_a_new_text_begins_with_no_unit_of_several_and_no_topic(desk, newsroom):
    page = await newsroom["chi"].get("/soan-moi")
    chosen = re.findall(r'<select id="(\w+)"[^>]*>\s*<option value="([^"]*)"', page.text)
    assert dict(chosen) == {"unit": "", "topic": "", "language": "vi"}
    assert re.findall('<option value="([^"]*)" selected', page.text) == ["vi"]
    refused = await newsroom["chi"].submit(page, "/soan-moi", **TEXT | {"unit": ""})
    assert refused.status_code == 422 and "Đơn vị là trường bắt buộc" in refused.text
    own = await newsroom["an"].get("/soan-moi")
    assert '<option value="van-phong-bo">' in own.text
    assert own.text.count(f'<option value="">{TEXTS["choose"]}') == 1, "the only unit is chosen"
    refused = await newsroom["chi"].submit(page, "/soan-moi", **TEXT | {"title": ""})
    assert f'<option value="{TEXT["unit"]}" selected>' in refused.text, "the choice is kept"


async def test_a_rejection_has_no_reason_chosen(newsroom):
    path = await newsroom.written()
    await newsroom.press("an", path, "gui")
    await newsroom.press("binh", path, "xac-nhan", clean="1")
    await newsroom.press("chi", path, "trinh", clean="1")
    refused = await newsroom["dung"].press(path, f"{path}/tu-choi", reject_code="")
    assert refused.status_code == 422 and 'id="reject_code-loi"' in refused.text
    assert "Xin Quý vị chọn một lý do từ chối" in refused.text and "trung-lap," not in refused.text
    assert 'value="trung-lap"' in refused.text and UNDECIDED_TOO_LONG not in refused.text
    forged = await newsroom["dung"].submit(
        refused, f"{path}/tu-choi", reject_code=UNDECIDED_TOO_LONG
    )
    assert forged.status_code == 422, "Loa alone gives it"


async def test_a_released_text_is_corrected_and_withdrawn(newsroom):
    path = await newsroom.written()
    await newsroom.approve(path)
    await newsroom["an"].press(f"{path}/sua", f"{path}/sua", **FIELDS | {"body": "Đoạn đúng."})
    unexplained = await newsroom["an"].press(path, f"{path}/gui")
    assert unexplained.status_code == 422 and "Đính chính điều gì" in unexplained.text
    correction = FIELDS | {"body": "Đoạn đúng.", "reason": "Sai số hiệu."}
    await newsroom["an"].press(f"{path}/sua", f"{path}/sua", **correction)
    await newsroom.approve(path)
    actions = await released_publications(newsroom.desk.bus, path.removeprefix("/tin/"))
    assert [(one["action"], one["reason"]) for one in actions][1] == ("corrected", "Sai số hiệu.")
    page = await newsroom.press("dung", path, "go", note="Văn bản đã bị bãi bỏ.")
    actions = await released_publications(newsroom.desk.bus, path.removeprefix("/tin/"))
    assert [one["action"] for one in actions] == ["published", "corrected", "withdrawn"]
    assert TEXTS["status_names"]["withdrawn"] in page.text


@pytest.mark.parametrize("is_carried_out", [True, False], ids=["carried out", "not yet"])
async def test_a_text_written_after_a_withdrawal_goes_out(newsroom, is_carried_out):
    path = await newsroom.written()
    await newsroom.approve(path)
    await newsroom["dung"].press(path, f"{path}/go", note="Sai số hiệu.")
    if is_carried_out:
        await newsroom.carry_out()
    await newsroom["an"].press(f"{path}/sua", f"{path}/sua", **FIELDS | {"body": "Đoạn đúng."})
    await newsroom.carry_out()
    await newsroom.approve(path)
    out = await released_publications(newsroom.desk.bus, path.removeprefix("/tin/"))
    assert [(one["action"], one["revision"]) for one in out] == [
        *(("published", 1), ("withdrawn", 2), ("published", 3)),
    ]


async def test_a_page_outside_the_menus_sections_is_shown(newsroom):
    assert (await newsroom["an"].get("/tep")).status_code == 200


@pytest.mark.parametrize("fields", [{"note": "x" * 600}, {"note": "Sai.", "new_title": "x" * 301}])
async def test_a_withdrawal_that_can_not_be_published_is_refused_with_what_was_typed(
    newsroom, fields
):
    path = await newsroom.written()
    await newsroom.approve(path)
    refused = await newsroom["dung"].press(path, f"{path}/go", **fields)
    assert refused.status_code == 422 and fields["note"] in refused.text
    state = (await newsroom.intake.decisions.log.read(path.removeprefix("/tin/"))).state
    assert state.status == "published"


async def test_a_withdrawal_concerns_what_is_out_whatever_is_written_meanwhile(newsroom):
    path = await newsroom.written()
    await newsroom.approve(path)
    page = await newsroom["dung"].get(path)
    await newsroom["an"].press(f"{path}/sua", f"{path}/sua", **FIELDS | {"body": "Sửa."})
    done = await newsroom["dung"].submit(page, f"{path}/go", note="Sai số liệu.")
    assert done.status_code == 303, done.text
    await newsroom.carry_out()
    released = await released_publications(newsroom.desk.bus, path.removeprefix("/tin/"))
    assert [one["action"] for one in released] == ["published", "withdrawn"]


async def test_an_item_may_be_named_like_a_page_of_the_desk(newsroom):
    await newsroom.intake.handle(submitted(content_id="moi"), UNIT)
    await newsroom["an"].post("/soan/-/giu-tam", **TEXT | {"body": "Một tin khác, chưa lưu."})
    assert "chưa lưu" not in (await newsroom["an"].get("/tin/moi")).text
    changed = FIELDS | {"body": "Biên tập lại."}
    edited = await newsroom["chi"].press("/tin/moi/sua", "/tin/moi/sua", **changed)
    assert edited.headers["location"] == "/tin/moi"
    await newsroom.press("chi", "/tin/moi", "trinh", clean="1")
    page = await newsroom.press("dung", "/tin/moi", "duyet")
    assert TEXTS["status_names"]["published"] in page.text
    [released] = await released_publications(newsroom.desk.bus, "moi")
    assert released["body"] == "Biên tập lại."


async def test_a_withdrawal_takes_back_the_text_that_was_shown_and_no_other(newsroom):
    path = await newsroom.written()
    await newsroom.approve(path)
    page = await newsroom["dung"].get(path)
    correction = FIELDS | {"body": "Đoạn đúng.", "reason": "Sai số hiệu."}
    await newsroom["an"].press(f"{path}/sua", f"{path}/sua", **correction)
    await newsroom.approve(path)
    typed = {"note": "Sai số liệu.", "new_title": "Một tin"}
    refused = await newsroom["dung"].submit(page, f"{path}/go", **typed)
    assert refused.status_code == 409 and "Đoạn đúng." in refused.text
    assert all(one in refused.text for one in typed.values())
    state = (await newsroom.intake.decisions.log.read(path.removeprefix("/tin/"))).state
    assert (state.status, state.out) == ("corrected", 2)
    done = await newsroom["dung"].submit(refused, f"{path}/go", **typed)
    assert done.headers["location"].endswith("xong=withdraw")


async def test_a_refused_withdrawal_shows_what_is_out_behind_a_draft(newsroom):
    path = await newsroom.written()
    await newsroom.approve(path)
    page = await newsroom["dung"].get(path)
    for body in ("Đoạn đúng.", "Bản nháp sau đó."):
        changed = FIELDS | {"body": body, "reason": "Sai số hiệu."}
        await newsroom["an"].press(f"{path}/sua", f"{path}/sua", **changed)
        if "nháp" not in body:
            await newsroom.approve(path)
    refused = await newsroom["dung"].submit(page, f"{path}/go", note="Sai số liệu.")
    assert refused.status_code == 409
    [shown] = re.findall('<section id="ban-cu">(.*?)</section>', refused.text, re.DOTALL)
    assert "Đoạn đúng." in shown


async def test_a_draft_that_readers_never_had_is_not_withdrawn(newsroom):
    path = await newsroom.written()
    page = await newsroom["dung"].get(path)
    [hash] = set(re.findall('name="hash" value="([0-9a-z]+)"', page.text))
    answer = await newsroom["dung"].post(f"{path}/go", act_id="0" * 32, hash=hash, note="Nhầm.")
    assert answer.status_code == 409


async def test_a_second_press_with_another_text_is_not_taken_for_the_first(newsroom):
    path = await newsroom.written()
    page = await newsroom["an"].get(f"{path}/sua")
    first = await newsroom["an"].submit(page, f"{path}/sua", **FIELDS | {"body": "Một."})
    again = await newsroom["an"].submit(page, f"{path}/sua", **FIELDS | {"body": "Một."})
    other = await newsroom["an"].submit(page, f"{path}/sua", **FIELDS | {"body": "Hai."})
    assert [one.status_code for one in (first, again, other)] == [303, 303, 409]
    assert "Hai." in other.text


async def test_an_agreement_ends_when_the_text_goes_back(desk, newsroom):
    """An urgent text takes two approvers, both of the text as it is proposed now."""
    desk.names["giang"] = "Hà Giang"
    path = await newsroom.written(lane="normal")
    async with desk.signed_in("giang", "lanh-dao-duyet") as second:
        await propose_urgent(newsroom, path)
        first = await newsroom["dung"].press(path, f"{path}/duyet")
        assert first.headers["location"].endswith("xong=second")
        page = await newsroom["dung"].get(path)
        assert "duyet" not in offered(page, path), "one agrees once"
        assert TEXTS["has_agreed"].format("Hà Giang") in page.text, "and reads who is next"
        assert TEXTS["agreed"].format("Đỗ Dung") in (await second.get(path)).text
        await newsroom.press("dung", path, "tra-lai", note="Chưa được.")
        await newsroom["an"].press(f"{path}/sua", f"{path}/sua", **FIELDS | {"body": "Lần hai."})
        await propose_urgent(newsroom, path)
        again = await second.press(path, f"{path}/duyet")
        assert again.headers["location"].endswith("xong=second"), "the first has to agree anew"
        page = await newsroom["dung"].get(path)
        for _ in range(2):
            done = await newsroom["dung"].submit(page, f"{path}/duyet")
            assert done.headers["location"].endswith("xong=approve"), "also the second time"
        page = await newsroom["an"].get(path)
        half = TEXTS["agreed_to"].format(TEXTS["act"]["approve"].lower())
        [first] = history_rows(page, half)
        [last] = history_rows(page, f"<strong>{TEXTS['act']['approve']}</strong>")
        assert "Hà Giang" in first and "Đỗ Dung" in last, "both are in the history"


async def propose_urgent(newsroom, path: str) -> None:
    """Bring a draft before the approvers as urgent, which an editor may ask for."""
    await newsroom.press("an", path, "gui")
    await newsroom.press("binh", path, "xac-nhan", clean="1")
    changed = FIELDS | {"lane": "urgent", "body": f"Khẩn {newsroom.carried_out}."}
    edited = await newsroom["chi"].press(f"{path}/sua", f"{path}/sua", **changed)
    assert edited.status_code == 303, edited.text
    await newsroom.press("chi", path, "trinh", clean="1")


async def test_the_first_of_two_approvers_is_checked_by_the_logs_rules(desk, newsroom):
    path = await newsroom.written()
    await newsroom.press("an", path, "gui")
    await newsroom.press("binh", path, "xac-nhan", clean="1")
    page = await newsroom["dung"].get(path)
    [hash] = set(re.findall('name="hash" value="([0-9a-z]+)"', page.text))
    early = await newsroom["dung"].post(f"{path}/duyet", act_id="1" * 32, hash=hash)
    assert early.status_code == 409, "it is not proposed yet"


async def test_each_of_two_approvals_has_its_time_in_the_history(desk, newsroom):
    path = await newsroom.written()
    await propose_urgent(newsroom, path)
    half = TEXTS["agreed_to"].format(TEXTS["act"]["approve"].lower())
    desk.clock.advance(60)
    first = await newsroom.press("dung", path, "duyet")
    [row] = history_rows(first, half)
    assert NAMES["dung"] in row
    desk.clock.advance(3600)
    desk.names |= {"em": "Phạm Em"}
    async with desk.signed_in("em", "lanh-dao-duyet") as second:
        done = await second.press(path, f"{path}/duyet")
        assert done.status_code == 303, done.text
        page = await second.get(path)
    assert history_rows(page, half) == [row], "it keeps its time"
    approved = history_rows(page, f"<strong>{TEXTS['act']['approve']}</strong>")
    assert len(approved) == 1 and NAMES["dung"] not in approved[0] and "Phạm Em" in approved[0]


def history_rows(page, words: str) -> list[str]:
    """The rows of an item's history that have these words."""
    return [row for row in re.findall("<li>.*?</li>", page.text) if words in row]


async def test_an_act_of_a_page_that_the_item_has_left_says_where_it_is(newsroom):
    path = await newsroom.written()
    await newsroom.press("an", path, "gui")
    page = await newsroom["binh"].get(path)
    await newsroom.press("binh", path, "xac-nhan", clean="1")
    await newsroom.press("chi", path, "gop-y", note="Đã xem.")
    refused = await newsroom["binh"].submit(page, f"{path}/tra-lai", note="Thiếu số.")
    assert refused.status_code == 409
    assert "(Trần Bình, " in refused.text, "who confirmed it, not who remarked on it"
    assert TEXTS["status_names"]["unit_confirmed"].lower() in refused.text.lower()
    assert "chưa được thực hiện" in refused.text


async def test_who_approves_a_text_that_was_edited_after_its_proposal_vouches_for_it(newsroom):
    path = await newsroom.written()
    await newsroom.press("an", path, "gui")
    await newsroom.press("binh", path, "xac-nhan", clean="1")
    await newsroom.press("chi", path, "trinh", clean="1")
    assert 'name="clean"' not in (await newsroom["dung"].get(f"{path}/duyet")).text
    changed = {**FIELDS, "body": "Sửa sau khi trình."}
    edited = await newsroom["chi"].press(f"{path}/sua", f"{path}/sua", **changed)
    assert edited.status_code == 303, edited.text
    review = await newsroom["dung"].get(f"{path}/duyet")
    assert TEXTS["edited_proposal"] in review.text
    refused = await newsroom["dung"].submit(review, f"{path}/duyet")
    assert refused.status_code == 422
    done = await newsroom["dung"].submit(review, f"{path}/duyet", clean="1")
    assert done.headers["location"].endswith("xong=approve")


async def test_the_units_leader_may_remark_while_a_text_waits_for_approval(newsroom):
    path = await newsroom.written()
    await newsroom.press("an", path, "gui")
    await newsroom.press("binh", path, "xac-nhan", clean="1")
    await newsroom.press("chi", path, "trinh", clean="1")
    page = await newsroom.press("binh", path, "gop-y", note="Đã rà lại.", place="1")
    assert "Đã rà lại." in page.text
    page = await newsroom.press("binh", path, "gop-y", note="Dòng một.\r\nDòng hai.")
    assert "Dòng một. Dòng hai." in page.text
    refused = await newsroom["binh"].press(path, f"{path}/gop-y", note="\u202egiả")
    assert refused.status_code == 422
    for wrong in ("0", "9" * 5000, "x"):
        await newsroom.press("binh", path, "gop-y", note=f"Về {wrong[:3]}", place=wrong)
    beyond = await newsroom["binh"].press(path, f"{path}/gop-y", note="Về đoạn này", place="9")
    assert beyond.status_code == 422 and "không có đoạn 9" in beyond.text
    assert "Về đoạn này</textarea>" in beyond.text, "what was typed stays"


async def test_an_officer_keeps_the_own_item_when_an_editor_begins_a_correction(newsroom):
    path = await newsroom.written()
    await newsroom.approve(path)
    changes = FIELDS | {"body": "Sửa.", "reason": "Sai ngày."}
    begun = await newsroom["chi"].press(f"{path}/sua", f"{path}/sua", **changes)
    assert begun.status_code == 303
    for page in (path, f"{path}/xem-truoc"):
        assert (await newsroom["an"].get(page)).status_code == 200, page
    assert f'href="{path}"' in (await newsroom["an"].get("/tin")).text


async def test_who_approves_what_no_editor_proposed_says_that_nothing_secret_is_in_it(newsroom):
    await register_unit(newsroom.desk.bus, release="desk")
    await newsroom.intake.handle(submitted(), UNIT)
    path = f"/tin/{ITEM}"
    page = await newsroom["dung"].get(path)
    refused = await newsroom["dung"].submit(page, f"{path}/duyet")
    assert refused.status_code == 422 and TEXTS["clean"] in refused.text
    await newsroom.press("dung", path, "duyet", clean="1")
    assert await newsroom.intake.repository.position(ITEM, 1)


async def test_a_text_that_one_of_the_units_system_took_the_place_of_is_shown(newsroom):
    await register_unit(newsroom.desk.bus, release="desk")
    path = await newsroom.written(body="Câu của cán bộ.", title="Tiêu đề của cán bộ")
    content_id = path.removeprefix("/tin/")
    await newsroom.intake.handle(submitted(content_id, revision=2), UNIT)
    page = await newsroom["an"].get(path)
    assert "Câu của cán bộ." not in page.text
    [(hash, place)] = re.findall(rf'href="{path}\?ban=([0-9a-z]+)#([a-z-]+)"', page.text)
    shown = (await newsroom["an"].get(f"{path}?ban={hash}")).text
    assert f'id="{place}"' in shown
    assert "Câu của cán bộ." in shown and "Tiêu đề của cán bộ" in shown
    assert "Câu của cán bộ." not in (await newsroom["an"].get(f"{path}?ban=khong-co")).text


@pytest.mark.parametrize("loss", [Conflict(), BusError("lost")])
async def test_what_is_not_stored_after_two_agreed_takes_the_second_alone(
    desk, newsroom, monkeypatch, loss
):
    """The first approver's agreement stays until the approval is in the log."""
    desk.names["giang"] = "Hà Giang"
    path = await newsroom.written()
    async with desk.signed_in("giang", "lanh-dao-duyet") as second:
        await propose_urgent(newsroom, path)
        await newsroom["dung"].press(path, f"{path}/duyet")
        page = await second.get(path)

        async def lost(*_, **__):
            raise loss

        with monkeypatch.context() as patched, suppress(BusError):
            patched.setattr(ItemActs, "perform", lost)
            await second.submit(page, f"{path}/duyet")
        done = await second.submit(page, f"{path}/duyet")
        assert done.headers["location"].endswith("xong=approve")
    assert [one async for one in desk.bus.bucket("sessions").values("proposal.")] == []
