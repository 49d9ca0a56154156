"""The report of a campaign: from the facts of its own items, without a zero where data lack."""

import io
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import docx
import pypdf
import pytest

from consumers.campaigns.report_files import CampaignReports
from consumers.facts.store import FactStore
from contracts.base.working_days import default_working_days
from contracts.campaigns.progress import progress_of
from contracts.campaigns.reported import ReportedCampaign
from contracts.delivery import ChannelName, Lane, Status
from contracts.facts import DayFact, DeliveryFact, FactKind, OpinionsFact, ReleaseFact
from contracts.subscriptions.reaction import Reaction
from contracts.vocabulary import DEFAULT
from tests.support.campaigns import CAMPAIGN, a_joined_item, a_plan

TODAY = date(2027, 2, 3)
ITEMS = (a_joined_item("mot", 1, "2026-12-03"), a_joined_item("them", None, "2026-12-10"))
PLAN = a_plan()
ITEMS_TARGET = "Tin bài đã phát hành, không tính tin đã gỡ"


def released(content_id: str, day: date) -> ReleaseFact:
    at = datetime(day.year, day.month, day.day, 3, tzinfo=UTC)
    return ReleaseFact(
        content_id=content_id, revision=1, action="published", unit="van-phong-bo",
        topic="thong-tin-chuyen-de", lane=Lane.NORMAL, channels=(ChannelName.EMAIL,),
        released_at=at, shown_at=at,
    )  # fmt: skip


def delivered(content_id: str, day: date, count: int) -> DeliveryFact:
    at = datetime(day.year, day.month, day.day, 3, tzinfo=UTC)
    counts = {Status.DELIVERED: count, Status.FAILED: 1}
    return DeliveryFact(
        channel=ChannelName.EMAIL, content_id=content_id, revision=1, lane=Lane.NORMAL,
        began_at=at, ended_at=at, counts=counts,
    )  # fmt: skip


def all_days(kinds):
    days = (PLAN.last_day - PLAN.first_day).days + 1
    for number in range(days):
        yield DayFact(on=PLAN.first_day + timedelta(number), counted=tuple(kinds))


@pytest.fixture
async def reports(bus, tmp_path):
    """Reports of a bus with the facts of two items of the campaign, and of another one."""
    store, opinions = FactStore(bus), {ChannelName.EMAIL: {Reaction.SATISFIED: 7}}
    facts = [
        *(released("mot", date(2026, 12, 3)), released("them", date(2026, 12, 10))),
        *(delivered("mot", date(2026, 12, 3), 600), delivered("them", date(2026, 12, 10), 31)),
        *(released("khac", date(2026, 12, 4)), delivered("khac", date(2026, 12, 4), 5000)),
        *all_days([FactKind.RELEASE, FactKind.DELIVERY]),
        OpinionsFact(on=date(2026, 12, 4), content_id="khac", counts=opinions),
    ]
    for fact in facts:
        await store.add(fact, 0)
    return CampaignReports(bus, DEFAULT, tmp_path / "report.toml")


def campaign(items=ITEMS, withdrawn=()) -> ReportedCampaign:
    progress = progress_of(PLAN, items, TODAY, default_working_days().is_working)
    return ReportedCampaign(
        *(CAMPAIGN, "Tiền lương mới", "van-phong-bo", PLAN), progress, TODAY, tuple(withdrawn)
    )


async def tables_of(reports, reported=None) -> dict[str, list[str]]:
    """The cells of each row by its first cell."""
    content = await reports.render(reported or campaign(), "docx")
    document = docx.Document(io.BytesIO(content))
    rows = [[cell.text for cell in row.cells] for table in document.tables for row in table.rows]
    return {row[0]: row[1:] for row in rows}


async def rows_named(reports, name, reported=None) -> list[list[str]]:
    """The other cells of each row that has the name, from the first table on."""
    document = docx.Document(io.BytesIO(await reports.render(reported or campaign(), "docx")))
    rows = [[cell.text for cell in row.cells] for table in document.tables for row in table.rows]
    return [row[1:] for row in rows if row[0] == name]


async def remarks(reports, reported) -> list[str]:
    """Remarks of the report between the days of its figures and its tables."""
    document = docx.Document(io.BytesIO(await reports.render(reported, "docx")))
    texts = [one.text for one in document.paragraphs]
    [at] = [place for place, text in enumerate(texts) if text.startswith("Kế hoạch và kết quả")]
    last = next(place for place, text in enumerate(texts) if text.startswith("Bảng 1"))
    return texts[at + 1 : last]


async def test_figures_are_those_of_its_items_alone(reports):
    rows = await tables_of(reports)
    assert rows[ITEMS_TARGET] == ["5", "2", "40,0"]
    assert rows["Lượt không gửi được"][0] == "2"
    targets, figures = await rows_named(reports, "Lượt đã tới người nhận")
    assert targets == ["1.000", "631", "63,1"]
    assert figures[0] == "631", "one name, one figure"


async def test_on_its_first_day_a_campaign_has_no_figures_yet(reports):
    first = replace(campaign(), today=PLAN.first_day)
    document = docx.Document(io.BytesIO(await reports.render(first, "docx")))
    [span] = [one.text for one in document.paragraphs if one.text.startswith("Kế hoạch và kết")]
    assert "chưa có số liệu" in span and "đến hết ngày" not in span


async def test_a_figure_without_data_says_so(reports):
    assert (await tables_of(reports))["Ý kiến đã nhận"][0] == "chưa có số liệu"


async def test_what_was_published_before_the_first_day_counts_as_on_the_desks_page(reports):
    early = date(2026, 11, 30)
    for fact in (released("som", early), delivered("som", early, 500)):
        await FactStore(reports.bus).add(fact, 0)
    counted = DayFact(on=early, counted=(FactKind.RELEASE, FactKind.DELIVERY))
    await FactStore(reports.bus).add(counted, 0)
    found = campaign((a_joined_item("som", 1, "2026-11-30"),))
    rows = await tables_of(reports, found)
    assert rows["1. Giới thiệu quy định mới"][-1].startswith("Đúng hạn")
    assert rows[ITEMS_TARGET][:2] == ["5", str(len(found.progress.published))]
    assert (await rows_named(reports, "Lượt đã tới người nhận", found))[0][1] == "500"
    assert await remarks(reports, found) == [
        "Trong số tin bài đã phát hành, không tính tin đã gỡ, có 1 tin phát hành ngoài thời gian "
        "của chuyên đề: “Tin som” (30/11/2026)."
    ]


async def test_a_withdrawn_item_reaches_no_target_and_is_told(reports):
    found = campaign(ITEMS[:1], withdrawn=ITEMS[1:])
    assert (await tables_of(reports, found))[ITEMS_TARGET][:2] == ["5", "1"]
    [remark] = await remarks(reports, found)
    assert "1 tin đã phát hành rồi gỡ: “Tin them” (10/12/2026)" in remark


async def test_a_withdrawn_item_is_in_the_figures_of_the_days_on_which_readers_had_it(reports):
    early = date(2026, 11, 30)
    counted = DayFact(on=early, counted=(FactKind.RELEASE,))
    for fact in (released("som", early), counted):
        await FactStore(reports.bus).add(fact, 0)
    found = campaign((), withdrawn=[a_joined_item("som", 1, "2026-11-30")])
    assert (await rows_named(reports, "Tin bài đã phát hành", found))[0][0] in ("1", "1*")


async def test_what_lies_outside_the_days_of_the_figures_is_counted_and_named(reports):
    later, store = date(2027, 2, 2), FactStore(reports.bus)
    gone = released("them", later).model_copy(update={"revision": 2, "action": "withdrawn"})
    more = delivered("mot", later, 1234).model_copy(update={"revision": 2})
    for fact in (gone, more):
        await store.add(fact, 0)
    found = campaign(ITEMS[:1], withdrawn=ITEMS[1:])
    _, told = await remarks(reports, found)
    assert "Tin bài đã gỡ: 1; Lượt đã tới người nhận: 1.234; Lượt không gửi được: 1." in told
    assert (await rows_named(reports, "Tin bài đã gỡ", found))[0][0] == "0"


async def test_plan_and_results_stand_beside_each_other(reports):
    rows = await tables_of(reports)
    assert rows["1. Giới thiệu quy định mới"][-1] == "Đúng hạn; “Tin mot” (03/12/2026)"
    assert rows["3. Ý kiến người hưởng lương"][-1].startswith("Quá hạn")
    assert rows["Tin them"][0] == "10/12/2026"


async def test_the_pdf_has_the_same_words_and_the_same_bytes_each_time(reports):
    pdf = await reports.render(campaign(), "pdf")
    assert pdf == await reports.render(campaign(), "pdf")
    pages = [page.extract_text() for page in pypdf.PdfReader(io.BytesIO(pdf)).pages]
    assert len(pages) == 2, "nothing follows the signature"
    text = "".join(pages)
    assert "Tiền lương mới" in text
    assert "631" in text


async def test_own_texts_take_the_place_of_those_that_ship(reports):
    reports.texts_file.write_text('[campaign]\nadditional = "Tin thêm"\n', "utf-8")
    document = docx.Document(io.BytesIO(await reports.render(campaign(), "docx")))
    assert any("Tin thêm" in paragraph.text for paragraph in document.paragraphs)
