"""Figures equal a plain recount of the rows; what has no data has a reason, and is never 0."""

import math
import statistics
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from consumers.periodic_reports.contents.composition import compose, read_figures
from consumers.periodic_reports.contents.document import Cell, Paragraph, Table
from consumers.periodic_reports.contents.notes import NamedFigure, notes
from consumers.periodic_reports.contents.number_texts import number_text
from consumers.periodic_reports.contents.texts import load_texts
from consumers.periodic_reports.data_set import DataSet, write_data_set
from consumers.periodic_reports.figures import Figure, Figures
from consumers.periodic_reports.from_facts import gaps_of
from consumers.periodic_reports.indicators import How, Indicator, load_indicators
from consumers.periodic_reports.rows import Gap, Row
from consumers.periodic_reports.span import Span
from consumers.periodic_reports.tally import By, Tally
from contracts.facts import DayFact, FactKind
from tests.support.report_data import NAMES, UNREAD, YEAR, header, write_year

INDICATORS = {one.id: one for one in load_indicators()}
_OF = {
    By.TOTAL: lambda _: "",
    By.MONTH: lambda row: row.day.isoformat()[:7],
    By.UNIT: lambda row: row.unit,
    By.TOPIC: lambda row: row.topic,
    By.CHANNEL: lambda row: row.channel,
    By.DETAIL: lambda row: row.detail,
}


@pytest.fixture(scope="module")
def year(tmp_path_factory) -> DataSet:
    return write_year(tmp_path_factory.mktemp("year") / "set", 60)


SILENT_MONTHS = 1
"""Of the sample year."""


def recount(rows: list[Row], indicator: Indicator, by: By, word: str) -> Decimal | None:
    ours = [row for row in rows if _OF[by](row) == word and row.kind in indicator.kinds]
    if indicator.how is How.PRESENCE:
        months = 13 - SILENT_MONTHS
        return _tenths(len({row.day.isoformat()[:7] for row in ours}), months)
    if indicator.how is How.COVERAGE:
        return _tenths(len({row.unit for row in ours} & NAMES["unit"].keys()), len(NAMES["unit"]))
    return _recount_rows(rows, indicator, by, word)


def _tenths(part: int, whole: int) -> Decimal:
    return Decimal(f"{part / whole * 100:.1f}")


def _recount_rows(rows: list[Row], indicator: Indicator, by: By, word: str) -> Decimal | None:
    """The figure worked out the long way, without the product's sums."""
    mine = [row for row in rows if _OF[by](row) == word]
    ours = [row for row in mine if row.kind in indicator.kinds]
    match indicator.how:
        case How.SUM:
            return Decimal(sum(row.times for row in ours))
        case How.LEVEL:
            last = {row.channel: row.times for row in sorted(ours, key=lambda row: row.day)}
            return Decimal(sum(last.values())) if last else None
        case How.SHARE:
            whole = sum(row.times for row in mine if row.kind in indicator.of)
            part = sum(row.times for row in ours)
            return Decimal(f"{part / whole * 100:.1f}") if whole else None
        case How.MEDIAN | How.P90:
            times = sorted(row.seconds for row in ours for _ in range(row.times))
            if indicator.how is How.MEDIAN:
                return Decimal(statistics.median_low(times)) if times else None
            return Decimal(times[math.ceil(len(times) * 0.9) - 1]) if times else None


def test_every_figure_equals_a_plain_recount(year):
    figures, rows, compared = read_figures(year), list(year.rows()), 0
    for indicator in INDICATORS.values():
        for by in {By.TOTAL, *indicator.by, *([By.UNIT] if indicator.statistic else ())}:
            for word in figures.words([indicator], by) if by is not By.TOTAL else [""]:
                figure = figures.figure(indicator, by, word)
                if figure.value is None and figure.missing_days:
                    continue  # its own test
                assert figure.value == recount(rows, indicator, by, word), (indicator.id, by, word)
                compared += 1
    assert compared > 80


def test_the_parts_of_a_sum_add_up_to_it(year):
    figures = read_figures(year)
    for indicator in INDICATORS.values():
        if indicator.how is How.SUM and not indicator.kinds[0].startswith(UNREAD.kind):
            total = figures.figure(indicator).value
            for by in indicator.by:
                parts = (figures.figure(indicator, by, w) for w in figures.words([indicator], by))
                assert sum(part.value or 0 for part in parts) == total


def test_days_without_data_are_a_reason_or_a_shortfall_and_never_zero(year):
    figures = read_figures(year)
    published, opinions = INDICATORS["items_published"], INDICATORS["opinions_received"]
    april = figures.figure(published, By.MONTH, "2026-04")
    assert april == Figure(reason="source_away", missing_days=30)
    assert figures.figure(published).missing_days == 30
    assert figures.figure(opinions) == Figure(reason="not_measured", missing_days=365)
    assert figures.figure(INDICATORS["items_withdrawn"], By.MONTH, "2026-05").value == 0


def test_a_share_or_a_duration_of_nothing_has_no_value():
    figures = Figures(YEAR, Tally())
    for name in ("delivered_share", "approval_median", "approval_p90", "followers"):
        assert figures.figure(INDICATORS[name]).value is None


def test_gaps_that_overlap_count_each_day_once_and_only_within_the_span():
    gaps = [
        Gap(kind="items", first=date(2025, 1, 1), last=date(2025, 12, 20), reason="a"),
        Gap(kind="items", first=date(2025, 12, 18), last=date(2025, 12, 25), reason="b"),
        Gap(kind="item", first=YEAR.first, last=YEAR.last, reason="another kind"),
    ]
    figure = Figures(YEAR, Tally(), gaps).figure(INDICATORS["items_published"])
    assert figure == Figure(Decimal(0), missing_days=11)


def test_what_no_fact_can_count_says_why_also_where_a_day_was_lost():
    """The reason is that of most days: a lost day is not why none is answered."""
    lost = DayFact(on=YEAR.first, counted=())
    counted = (DayFact(on=day, counted=tuple(FactKind)) for day in YEAR.days() if day != lost.on)
    figures = Figures(YEAR, Tally(), [*gaps_of([lost, *counted], YEAR)])
    reasons = load_texts(Path("none"))["missing"]["reasons"]
    for name, said in (("opinions_answered_share", "danh tính"), ("views", "theo dõi người đọc")):
        figure = figures.figure(INDICATORS[name])
        assert (figure.value, figure.missing_days) == (None, 365)
        assert said in reasons[figure.reason]


def test_no_cell_of_a_figure_without_data_shows_a_number(year):
    tables = compose(year).tables()
    cells = [cell for table in tables for row in table.rows for cell in row if cell.figure]
    missing = [cell for cell in cells if cell.figure.value is None]
    assert {cell.text for cell in missing} == {"chưa có số liệu"}
    assert missing
    for table in tables:
        lacking = [cell for row in table.rows for cell in row if _lacks(cell)]
        assert bool(lacking) == bool(table.notes)


def _lacks(cell: Cell) -> bool:
    return bool(cell.figure and (cell.figure.value is None or cell.figure.missing_days))


def test_every_unit_has_a_row_also_one_without_an_item(year):
    table = _table(year, "Kết quả theo đơn vị")
    assert {row[0].text for row in table.rows} == set(NAMES["unit"].values())


def test_each_unit_has_its_statistics_also_one_without_an_item(year):
    tables = [_table(year, name) for name in ("Tính đầy đủ, kịp thời", "Tiếp cận, sử dụng")]
    for table in tables:
        assert {row[0].text for row in table.rows} == set(NAMES["unit"].values())
    assert tables[0].columns[1] == "Tháng có tin bài (%)"
    views = [row[-1].text for row in tables[1].rows]
    assert set(views) == {"chưa có số liệu"}, "a kind that no fact counts"


def _table(data: DataSet, name: str) -> Table:
    return next(table for table in compose(data).tables() if table.name == name)


def test_the_plan_and_the_year_before_stand_beside_the_year(year):
    table = _table(year, "Bảng tổng hợp")
    row = next(row for row in table.rows if row[0].text == "Tin bài đã phát hành")
    assert [cell.text for cell in row[2:]] == ["1.000", "60*", "6,0*", "812", "7,4*"]


@pytest.mark.parametrize(
    ("value", "text"), [("0", "0"), ("1234567.5", "1.234.567,5"), ("-1000", "-1.000")]
)
def test_numbers_are_written_as_in_vietnamese(value, text):
    assert number_text(Decimal(value)) == text


def test_the_months_of_a_span_are_its_days():
    months = list(YEAR.months())
    assert (len(months), months[0], months[-1].last) == (
        13,
        Span(date(2025, 12, 15), date(2025, 12, 31)),
        YEAR.last,
    )
    assert set().union(*(month.days() for month in months)) == YEAR.days()


def test_every_indicator_has_its_texts():
    from consumers.periodic_reports.contents.texts import load_texts

    texts = load_texts(Path("none"))
    assert set(texts["indicators"]) == set(INDICATORS)
    for entry in texts["indicators"].values():
        assert entry["measure"] in texts["measures"]


def test_what_most_cells_of_a_table_lack_is_told_once_without_names(year):
    """In texts that were sealed earlier all are named."""
    texts = year.header().texts
    short, lost, two = (
        Figure(Decimal(3), missing_days=9),
        Figure(reason="not_recorded", missing_days=30),
        Figure(Decimal(3), missing_days=2),
    )
    many = [NamedFigure(f"Chỉ tiêu {n}", "", one) for n in range(9) for one in (short, lost)]
    others = [
        NamedFigure("Ý kiến", "", two),
        NamedFigure("Lượt xem", "", Figure(reason="not_measured")),
    ]
    lines = notes([*many, *others, NamedFigure("Đủ", "", Figure(Decimal(1)))], texts)
    assert [line.partition(":")[0] for line in lines] == [
        *("Ý kiến", "Lượt xem"),
        *("Các số khác có dấu *", "Các ô khác không có số"),
    ]
    assert notes(many, texts)[0].startswith("Số có dấu *: thiếu số liệu của 9 ngày")
    names = {"mark", "marked", "other_marked", "blank", "other_blank"}
    earlier = {name: text for name, text in texts["missing"].items() if name not in names}
    assert "Chỉ tiêu 8" in notes(many, {**texts, "missing": earlier})[0]


def test_a_channel_has_no_figure_of_what_can_not_happen_there(year):
    table = _table(year, "Kết quả theo kênh")
    rows = {row[0].text: [cell.text for cell in row[2:]] for row in table.rows}
    column = table.columns[2:].index("Cổng thông tin")
    assert rows["Người quan tâm, người nhận tin mới"][column] == "chưa có số liệu"
    assert not any("không có trong bảng" in note for note in table.notes)


def test_a_channel_without_a_delivery_is_named_below_the_table(tmp_path):
    rows = [Row(YEAR.first, "readers.level", 5, channel="email")]
    table = _table(write_data_set(tmp_path / "set", header(), [], rows), "Kết quả theo kênh")
    assert table.notes[-1].startswith("Cổng thông tin, Zalo: không có trong bảng")


def test_no_channel_is_said_to_lack_deliveries_where_no_day_of_them_was_counted(tmp_path):
    rows = [Row(YEAR.first, "readers.level", 5, channel="email")]
    span = {"first": YEAR.first, "last": YEAR.last, "reason": "not_recorded"}
    for gap, told in (("deliveries", False), ("desk", True)):
        data = write_data_set(tmp_path / gap, header(), [Gap(kind=gap, **span)], rows)
        table = _table(data, "Kết quả theo kênh")
        assert any("không có trong bảng" in note for note in table.notes) is told


def test_the_opening_names_the_days_once(tmp_path):
    day = date(2026, 3, 1)
    for last, period, named in ((day, "span", 1), (day + timedelta(days=1), "span", 2)):
        data = write_data_set(
            tmp_path / f"{last}", header(first=day, last=last, period=period, former=None), [], []
        )
        opening = next(one for one in compose(data).blocks if isinstance(one, Paragraph))
        assert opening.text.count("/2026 ") + opening.text.count("/2026:") == named, opening.text
