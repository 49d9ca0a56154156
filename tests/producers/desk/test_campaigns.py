"""A campaign at the desk: proposed, approved, joined from the form of a text, plan beside done."""

import io
import json
import re
from datetime import timedelta

import docx
import pytest

from consumers.desk.index import ItemIndex
from contracts.base.times import vietnam_time
from contracts.editorial.action import NOT_RELEASED
from producers.desk.rendering import desk_texts
from tests.support.events import released_publications
from tests.support.newsroom import FIELDS, open_newsroom

NEW, NAME = "/chuyen-de/de-xuat", "tien-luong-moi"
ITEM, PLAN = f"/tin/{NAME}", f"/tin/{NAME}/chuyen-de"
SECRET = "Chuẩn bị dư luận trước khi ban hành"
PURPOSE = "Giảm số câu hỏi gửi về Bộ."
INTRODUCTION = "Tiền lương tính theo quy định mới."
TEXTS = desk_texts()["campaign"]


@pytest.fixture
async def newsroom(desk):
    async with open_newsroom(desk) as opened:
        yield opened


def day(newsroom, days: int) -> str:
    today = vietnam_time(newsroom.desk.clock()).date()
    return str(today + timedelta(days=days))


def proposal(newsroom, **changes):
    return {
        "unit": "van-phong-bo",
        "title": "Tiền lương mới",
        "introduction": INTRODUCTION,
        "purpose": PURPOSE,
        "first_day": day(newsroom, -1),
        "last_day": day(newsroom, 30),
        "partners": "vu-phap-che",
        "targets.items": "8",
        "entries.0.title": SECRET,
        "entries.0.day": day(newsroom, -1),
        "entries.1.title": "Hỏi đáp",
        "entries.1.day": day(newsroom, 9),
        "entries.1.unit": "vu-phap-che",
        "entries.1.channel": "email",
        **changes,
    }


async def proposed(newsroom, **changes) -> None:
    done = await newsroom["an"].press(NEW, NEW, **proposal(newsroom, **changes))
    assert done.status_code == 303, done.text
    assert done.headers["location"] == PLAN


async def drafted(newsroom, **changes) -> None:
    """Save another plan, a draft."""
    fields = proposal(newsroom, **changes)
    done = await newsroom["an"].press(PLAN, PLAN, **of_plan(fields))
    assert done.status_code == 303, done.text


def of_plan(fields):
    """The fields that the form of the plan has, too."""
    return {name: fields[name] for name in fields if name not in ("unit", "title", "slug")}


async def rows_of_report(newsroom) -> dict[str, list[str]]:
    """The cells of each row of the report by its first cell."""
    word = await newsroom["dung"].get(f"{PLAN}/bao-cao")
    tables = docx.Document(io.BytesIO(word.content)).tables
    rows = [[cell.text for cell in row.cells] for table in tables for row in table.rows]
    return {row[0]: row[1:] for row in rows}


def states(page: str) -> list[tuple[str, str]]:
    return re.findall(r'data-entry="(\d+)" data-state="(\w+)"', page)


async def test_a_campaign_is_proposed_approved_and_shown_with_plan_beside_done(newsroom):
    await proposed(newsroom)
    assert "Tiền lương mới" in (await newsroom["an"].get("/chuyen-de")).text
    assert states((await newsroom["an"].get(PLAN)).text) == [("1", "late"), ("2", "planned")]
    review = (await newsroom["dung"].get(f"{ITEM}/duyet")).text
    for words in (SECRET, PURPOSE, INTRODUCTION, TEXTS["metric"]["items"]):
        assert words in review, "who approves reads the plan"
    await newsroom.approve(ITEM)
    path = await newsroom.written(campaign=f"{NAME}:2")
    assert states((await newsroom["an"].get(PLAN)).text)[1] == ("2", "planned")
    review = (await newsroom["an"].get(f"{path}/duyet")).text
    joined = TEXTS["named_entry"]
    assert joined.format("Tiền lương mới", 2) in review and joined.format(NAME, 2) not in review
    await newsroom.approve(path)
    page = (await newsroom["an"].get(PLAN)).text
    assert states(page) == [("1", "late"), ("2", "done")]
    assert path in page


async def test_an_item_on_another_channel_than_the_planned_one_leaves_that_to_be_done(newsroom):
    await proposed(newsroom, **{"entries.1.channel": "zalo"})
    await newsroom.approve(ITEM)
    path = await newsroom.written(campaign=f"{NAME}:2")
    assert "Zalo)" in (await newsroom["an"].get(f"{path}/sua")).text, "the form names the channel"
    await newsroom.approve(path)
    page = (await newsroom["an"].get(PLAN)).text
    assert states(page)[1] == ("2", "planned")
    assert path in page and TEXTS["other_channel"] in page
    assert TEXTS["done_of"].format(0, 2) in (await newsroom["an"].get("/chuyen-de")).text
    [result] = [row for name, row in (await rows_of_report(newsroom)).items() if "(Zalo)" in name]
    assert TEXTS["other_channel"] in result[-1]


async def test_the_approver_of_what_the_unit_sent_reads_the_whole_plan(newsroom):
    await proposed(newsroom)
    await newsroom.press("an", ITEM, "gui")
    await newsroom.press("binh", ITEM, "xac-nhan", clean="1")
    review = (await newsroom["dung"].get(f"{ITEM}/duyet")).text
    for words in (SECRET, PURPOSE, TEXTS["plan_target"].format(TEXTS["metric"]["items"], 8)):
        assert words in review
    assert review.count(SECRET) == 1


async def test_an_item_that_is_not_on_zalo_tells_nobody_there(newsroom):
    await proposed(newsroom)
    told = desk_texts()["item"]["told"]
    page = (await newsroom["an"].get(ITEM)).text
    assert told["elsewhere"] in page
    assert told["followers"] not in page


async def test_nothing_of_the_plan_is_released(newsroom):
    await proposed(newsroom)
    await newsroom.approve(ITEM)
    path = await newsroom.written(campaign=f"{NAME}:2")
    await newsroom.approve(path)
    for content_id in (NAME, path.removeprefix("/tin/")):
        [released] = await released_publications(newsroom.desk.bus, content_id)
        assert released["campaign"] == NAME
        whole = json.dumps(released, ensure_ascii=False)
        assert SECRET not in whole and PURPOSE not in whole
        assert "campaign_plan" not in whole
        assert "campaign_entry" not in whole


async def test_a_target_has_its_figure_or_says_that_there_is_none_and_why(newsroom):
    await proposed(newsroom, **{"targets.delivered": "1.000", "targets.opinions": "20"})
    page = (await newsroom["an"].get(PLAN)).text
    for metric, number, reached in (
        ("items", "8", "0"),
        ("delivered", "1.000", "chưa có số liệu"),
        ("opinions", "20", "chưa có số liệu"),
    ):
        name = TEXTS["metric"][metric]
        [cells] = re.findall(rf'<th scope="row">{name}</th>(.*?)</tr>', page)
        assert re.findall(r">([^<]+)</td>", cells) == [number, reached]
    assert re.search("Lượt đã tới người nhận, Ý kiến đã nhận.*chưa có số liệu, vì", page)


async def test_the_plan_is_changed_by_its_form_and_keeps_its_numbers(newsroom):
    await proposed(newsroom)
    fields = of_plan(proposal(newsroom))
    fields |= {"entries.0.number": "1", "entries.1.number": "2", "entries.0.title": ""}
    fields |= {"entries.2.title": "Phỏng vấn", "entries.2.day": day(newsroom, 3)}
    done = await newsroom["an"].press(PLAN, PLAN, **fields)
    assert done.status_code == 303, done.text
    page = (await newsroom["an"].get(PLAN)).text
    assert [number for number, _ in states(page)] == ["3", "2"]
    later = {"entries.1.title": "", "entries.2.title": "Tọa đàm"}
    fields = of_plan(proposal(newsroom)) | later | {"entries.2.day": day(newsroom, 3)}
    done = await newsroom["an"].press(PLAN, PLAN, **fields)
    assert done.status_code == 303, done.text
    page = (await newsroom["an"].get(PLAN)).text
    assert {number for number, _ in states(page)} == {"2", "4"}, "no number is given again"


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"last_day": "2020-01-01"}, "first_day"),
        ({"first_day": "hôm nay"}, "first_day"),
        ({"purpose": ""}, "purpose"),
        ({"introduction": " "}, "introduction"),
        ({"entries.2.day": "2026-12-01"}, "entries.2.title"),
        ({"entries.0.day": ""}, "entries.0.day"),
        ({"targets.items": "nhiều"}, "targets.items"),
        ({"targets.items": "9" * 5000}, "targets.items"),
        ({"title": ""}, "title"),
        ({"slug": "Tên Có Dấu"}, "slug"),
        ({"unit": ""}, "unit"),
    ],
)
async def test_a_wrong_field_is_named_and_what_was_typed_stays(newsroom, changes, field):
    refused = await newsroom["an"].press(NEW, NEW, **proposal(newsroom, **changes))
    assert refused.status_code == 422
    assert f'href="#{field}"' in refused.text
    assert "Hỏi đáp" in refused.text


def named_fields(page: str) -> list[str]:
    """The fields that the summary of errors leads to."""
    summary = re.search(r'<div class="wrong".*?</div>', page, re.S)
    return re.findall(r'href="#([^"]+)"', summary[0]) if summary else []


async def test_an_error_of_a_planned_item_has_the_number_that_it_keeps(newsroom):
    await proposed(newsroom)
    await drafted(newsroom, **{"entries.0.title": ""})
    fields = of_plan(proposal(newsroom))
    kept = {name.replace(".1.", ".0."): fields[name] for name in fields if ".1." in name}
    others = {name: fields[name] for name in fields if not name.startswith("entries")}
    refused = await newsroom["an"].press(PLAN, PLAN, **others | kept | {"entries.0.day": ""})
    [said] = re.findall(r'<a href="#entries.0.day">(.*?)</a>', refused.text)
    assert said.startswith("Tin dự kiến số 2: hạn đăng ")


async def test_everything_that_is_wrong_is_told_at_once(newsroom):
    empty = await newsroom["an"].press(NEW, NEW, unit="", act_id="x")
    needed = ["unit", "title", "introduction", "purpose", "first_day", "last_day"]
    assert named_fields(empty.text) == needed
    wrong = {"slug": "Tên Có Dấu", "targets.items": "ba", "entries.0.day": ""}
    wrong |= {"entries.1.day": day(newsroom, 90), "purpose": ""}
    expected = ["slug", "purpose", "entries.0.day", "targets.items", "entries.1.day"]
    refused = await newsroom["an"].press(NEW, NEW, **proposal(newsroom, **wrong))
    assert named_fields(refused.text) == expected
    said = re.findall(r'<p class="fault" id="entries.1.day-loi">(.*?)</p>', refused.text)
    assert [one.lower().count("tin dự kiến số 2") for one in said] == [1]
    await proposed(newsroom)
    fields = proposal(newsroom, **wrong, introduction="")
    refused = await newsroom["an"].press(PLAN, PLAN, **of_plan(fields))
    assert named_fields(refused.text) == ["introduction", *expected[1:]]


async def test_a_second_press_is_the_same_campaign_and_another_one_is_refused(newsroom):
    page = await newsroom["an"].get(NEW)
    fields = proposal(newsroom)
    first = await newsroom["an"].submit(page, NEW, **fields)
    again = await newsroom["an"].submit(page, NEW, **fields)
    assert first.headers["location"] == again.headers["location"] == PLAN
    other = await newsroom["an"].press(NEW, NEW, **fields | {"purpose": "Việc khác."})
    assert other.status_code == 409


async def test_an_item_joins_only_what_is_approved_open_and_planned(newsroom):
    await proposed(newsroom)
    path = await newsroom.written(campaign=NAME)
    await newsroom.press("an", path, "gui")
    await newsroom.press("binh", path, "xac-nhan", clean="1")
    refused = await newsroom["chi"].press(path, f"{path}/trinh", clean="1")
    assert refused.status_code == 409 and "“Tiền lương mới”" in refused.text
    for chosen in ("chuyen-de-la", f"{NAME}:9"):
        refused = await newsroom["an"].press(
            "/soan-moi", "/soan-moi", **FIELDS, unit="van-phong-bo", campaign=chosen
        )
        assert refused.status_code == 422


async def test_the_form_of_a_text_keeps_and_leaves_its_campaign(newsroom):
    await proposed(newsroom)
    path = await newsroom.written(campaign=f"{NAME}:2")
    form = (await newsroom["an"].get(f"{path}/sua")).text
    assert re.search(rf'value="{NAME}:2" selected', form)
    named = TEXTS["named_entry"].format("Tiền lương mới", 2)
    assert named in (await newsroom["an"].get(path)).text
    await newsroom["an"].press(f"{path}/sua", f"{path}/sua", **FIELDS, campaign="")
    assert f'value="{NAME}:2" selected' not in (await newsroom["an"].get(f"{path}/sua")).text
    own = (await newsroom["an"].get(f"{ITEM}/sua")).text
    assert 'name="campaign"' not in own, "a campaign joins none"
    await newsroom["an"].press(f"{ITEM}/sua", f"{ITEM}/sua", **FIELDS)
    assert states((await newsroom["an"].get(PLAN)).text)


async def test_its_report_is_a_file_for_word_or_a_pdf(newsroom):
    await proposed(newsroom)
    word = await newsroom["dung"].get(f"{PLAN}/bao-cao")
    text = "".join(one.text for one in docx.Document(io.BytesIO(word.content)).paragraphs)
    assert PURPOSE in text
    pdf = await newsroom["dung"].get(f"{PLAN}/bao-cao?dang=pdf")
    assert pdf.content.startswith(b"%PDF")
    assert (await newsroom["dung"].get(f"{PLAN}/bao-cao?dang=la")).status_code == 404


async def test_an_item_is_not_approved_for_a_day_outside_the_campaign(newsroom):
    await proposed(newsroom)
    await newsroom.approve(ITEM)
    path = await newsroom.written(campaign=NAME, not_before=f"{day(newsroom, 40)}T08:00")
    await newsroom.press("an", path, "gui")
    await newsroom.press("binh", path, "xac-nhan", clean="1")
    refused = await newsroom["chi"].press(path, f"{path}/trinh", clean="1")
    assert refused.status_code == 409


async def test_the_plan_that_was_approved_last_counts_for_its_items(newsroom):
    await proposed(newsroom)
    await newsroom.approve(ITEM)
    await drafted(newsroom, last_day=day(newsroom, 60), reason="Kéo dài.")
    path = await newsroom.written(campaign=NAME, not_before=f"{day(newsroom, 40)}T08:00")
    await newsroom.press("an", path, "gui")
    await newsroom.press("binh", path, "xac-nhan", clean="1")
    refused = await newsroom["chi"].press(path, f"{path}/trinh", clean="1")
    assert refused.status_code == 409


async def test_a_draft_of_the_plan_counts_nowhere_and_stands_in_the_form_alone(newsroom):
    await proposed(newsroom)
    await newsroom.approve(ITEM)
    assert TEXTS["has_draft"] not in (await newsroom["an"].get(PLAN)).text
    await drafted(newsroom, **{"targets.items": "1", "entries.2.title": "Chưa ai duyệt",
                               "entries.2.day": day(newsroom, 3)})  # fmt: skip
    page = (await newsroom["an"].get(PLAN)).text
    assert states(page) == [("1", "late"), ("2", "planned")]
    assert TEXTS["has_draft"] in page
    assert 'value="Chưa ai duyệt"' in page, "the form has it"
    names = desk_texts()["item"]["status_names"]
    state = TEXTS["changed_plan"].format(names["published"], names["draft"].lower())
    for shown in (page, (await newsroom["an"].get("/chuyen-de")).text):
        assert state in shown, "what readers have comes first"
    rows = await rows_of_report(newsroom)
    assert rows[TEXTS["metric"]["items"]][0] == "8"
    assert not any("Chưa ai duyệt" in name for name in rows)
    assert TEXTS["done_of"].format(0, 2) in (await newsroom["an"].get("/chuyen-de")).text
    await newsroom.approve(ITEM)
    assert len(states((await newsroom["an"].get(PLAN)).text)) == 3


async def test_another_plan_of_a_campaign_that_is_out_needs_no_reason_and_is_not_released(newsroom):
    await proposed(newsroom)
    await newsroom.approve(ITEM)
    await drafted(newsroom, **{"targets.items": "9", "note": "Thêm một tin."})
    page = (await newsroom["an"].get(PLAN)).text
    assert TEXTS["stays_public"] in page
    words = desk_texts()["item"]
    assert words["internal"] in (await newsroom["dung"].get(f"{ITEM}/duyet")).text
    reach = (await newsroom["dung"].get(f"{ITEM}/se-toi-ai")).text
    assert desk_texts()["dry_run"]["internal"] in reach
    assert 'id="ai-duyet"' in reach and 'id="cong"' not in reach, "no figures of a release"
    await newsroom.approve(ITEM)
    assert (await rows_of_report(newsroom))[TEXTS["metric"]["items"]][0] == "9"
    [released] = await released_publications(newsroom.desk.bus, NAME)
    assert released["revision"] == 1
    page = (await newsroom["an"].get(ITEM)).text
    assert words["act_of_code"][NOT_RELEASED] in page
    assert words["correction"] not in page
    assert "Thêm một tin." in page, "the note stands in the history"


async def test_another_introduction_of_a_campaign_that_is_out_is_a_correction_with_its_reason(
    newsroom,
):
    await proposed(newsroom)
    await newsroom.approve(ITEM)
    fields = of_plan(proposal(newsroom, introduction="Lời khác."))
    refused = await newsroom["an"].press(PLAN, PLAN, **fields)
    assert (refused.status_code, named_fields(refused.text)) == (422, ["reason"])
    await drafted(newsroom, introduction="Lời khác.", reason="Nói rõ hơn.")
    assert 'value="Nói rõ hơn."' in (await newsroom["an"].get(PLAN)).text
    await newsroom.approve(ITEM)
    _, released = await released_publications(newsroom.desk.bus, NAME)
    assert (released["action"], released["reason"]) == ("corrected", "Nói rõ hơn.")
    assert released["body"].startswith("Lời khác.")
    await drafted(newsroom, introduction="Lời khác.", **{"targets.items": "9"})
    await newsroom.approve(ITEM)
    assert len(await released_publications(newsroom.desk.bus, NAME)) == 2


async def test_an_item_that_is_out_has_the_title_and_place_that_were_approved(newsroom):
    await proposed(newsroom)
    await newsroom.approve(ITEM)
    path = await newsroom.written(campaign=f"{NAME}:2")
    await newsroom.approve(path)
    changed = FIELDS | {"title": "Chưa ai duyệt", "reason": "Sai.", "campaign": f"{NAME}:1"}
    done = await newsroom["an"].press(f"{path}/sua", f"{path}/sua", **changed)
    assert done.status_code == 303, done.text
    page = (await newsroom["an"].get(PLAN)).text
    assert states(page) == [("1", "late"), ("2", "done")]
    assert "Chưa ai duyệt" not in page
    assert FIELDS["title"] in page


async def test_the_page_of_all_campaigns_asks_as_often_for_one_as_for_many(newsroom, monkeypatch):
    asked = []
    find = ItemIndex.find

    async def counted(index, wanted):
        asked.append(wanted)
        return await find(index, wanted)

    async def questions() -> int:
        asked.clear()
        assert (await newsroom["an"].get("/chuyen-de")).status_code == 200
        return len(asked)

    monkeypatch.setattr(ItemIndex, "find", counted)
    await proposed(newsroom)
    first = await questions()
    for number in range(3):
        done = await newsroom["an"].press(NEW, NEW, **proposal(newsroom, slug=f"cd-{number}"))
        assert done.status_code == 303
    assert await questions() == first
