"""The page of delivery figures: what is known in numbers, and what is not with its reason."""

import json
from datetime import date

import pytest

from channels.portal.http.file_app import portal_app
from channels.portal.writer.audit import FolderAudit
from channels.portal.writer.rebuild import open_rebuild
from contracts.delivery import ChannelName, Lane
from contracts.facts.public_figures import DayFigures, LaneFigures, Missing, PublicFigures
from tests.support.portal_dir import http_client, new_writer, page, site_files, text_of

MAIL, PAGE = ChannelName.EMAIL, ChannelName.PORTAL
DAY = date(2026, 11, 29)
FIGURES = PublicFigures(
    first=date(2026, 11, 1),
    last=date(2026, 11, 30),
    gaps=(date(2026, 11, 5),),
    lanes=(
        LaneFigures(
            lane=Lane.URGENT, channel=MAIL, deliveries=3, recipients=12345, delivered=12000,
            timed=12000, within_10_s=11988, permille=999,
        ),
        LaneFigures(lane=Lane.NORMAL, channel=MAIL, deliveries=1, missing=Missing.FEW_READERS),
        LaneFigures(lane=Lane.BULK, channel=PAGE, missing=Missing.NO_DATA),
    ),
    days=(
        DayFigures(on=date(2026, 11, 5), lane=Lane.URGENT, missing=Missing.NO_DATA),
        DayFigures(on=DAY, lane=Lane.URGENT, permille=1000),
    ),
)  # fmt: skip


@pytest.fixture
def folder(tmp_path):
    show(tmp_path, FIGURES)
    return tmp_path


def show(folder, figures) -> None:
    writer = new_writer(folder)
    writer.show_figures(figures)
    writer.close()


def rows(folder) -> list[list[str]]:
    found = page(folder, "hieu-nang").xpath("//tbody/tr")
    return [[text_of(cell) for cell in row] for row in found]


def test_the_page_has_each_number_or_the_reason_why_there_is_none(folder):
    urgent, normal, bulk, newest, oldest = rows(folder)
    assert urgent[1:] == ["12.345", "12.000", "99,9%"]
    missing = [*normal[1:], *bulk[1:], oldest[-1]]
    assert all(one and not one[0].isdigit() for one in missing)
    assert newest == ["29/11/2026", "100,0%"]


def test_days_before_the_first_one_with_data_are_no_rows(tmp_path):
    early = tuple(date(2026, 11, day) for day in range(1, 29))
    days = tuple(
        DayFigures(on=date(2026, 11, day), lane=Lane.URGENT, missing=Missing.NO_DATA)
        for day in (27, 28)
    )
    figures = FIGURES.model_copy(update={"gaps": early, "days": (*days, FIGURES.days[-1])})
    show(tmp_path, figures)
    assert [row[0] for row in rows(tmp_path)[len(FIGURES.lanes) :]] == ["29/11/2026"]
    text = text_of(page(tmp_path, "hieu-nang"))
    assert "Số liệu từ ngày 29/11/2026" in text
    assert "Chưa có số liệu của 28 trong 30 ngày" in text
    never = figures.model_copy(update={"gaps": (*early, DAY, date(2026, 11, 30))})
    show(tmp_path, never)
    assert rows(tmp_path) == []
    assert "Chưa có số liệu từ ngày 01/11/2026" in text_of(page(tmp_path, "hieu-nang"))


async def test_the_same_numbers_are_there_for_programs(folder):
    async with http_client(portal_app(folder)) as client:
        answers = [await client.get(f"/hieu-nang/so-lieu.{kind}") for kind in ("json", "csv")]
        links = page(folder, "hieu-nang").xpath("//main//a/@href")
        assert {(await client.get(link)).status_code for link in links} == {200}
    types = [answer.headers["content-type"] for answer in answers]
    assert types == ["application/json", "text/csv; charset=utf-8"]
    read = json.loads(answers[0].content)
    assert read["days_without_data"] == ["2026-11-05"]
    assert [one["recipients"] for one in read["lanes"]] == [12345, None, None]
    assert [one["missing"] for one in read["lanes"]] == [None, "few_readers", "no_data"]
    assert answers[1].text.count("\r\n") == 1 + len(FIGURES.lanes) + len(FIGURES.days)


def test_every_page_leads_there(folder):
    assert "/hieu-nang/" in page(folder, "").xpath("//footer//a/@href")


def test_a_portal_without_figures_says_so_and_offers_no_file(tmp_path):
    new_writer(tmp_path).close()
    assert [one.name for one in (tmp_path / "public/hieu-nang").iterdir()] == ["index.html"]
    assert "Chưa có số liệu" in text_of(page(tmp_path, "hieu-nang"))


def test_the_same_figures_write_nothing(folder):
    writer = new_writer(folder)
    writer.show_figures(FIGURES)
    assert writer.files_written == 0
    writer.show_figures(FIGURES.model_copy(update={"gaps": ()}))
    assert writer.files_written > 0
    writer.close()


def test_figures_that_are_shown_during_a_rebuild_stay(folder):
    newer = FIGURES.model_copy(update={"gaps": ()})
    with open_rebuild(folder, site_files(), 5.0) as rebuild:
        writer = new_writer(folder)
        writer.show_figures(newer)
        writer.close()
        rebuild.finish()
    read = json.loads((folder / "public/hieu-nang/so-lieu.json").read_bytes())
    assert read["days_without_data"] == []
    assert FolderAudit(folder, site_files()).has_index


def test_a_folder_without_a_portal_stays_without(tmp_path):
    writer = new_writer(tmp_path / "other")
    writer.close()
    empty = tmp_path / "empty"
    lone = type(writer)(empty, site_files(), 5.0)
    assert not lone.has_figures()
    lone.show_figures(FIGURES)
    assert not empty.exists()
