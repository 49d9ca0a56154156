"""A year of 50 million deliveries: its report costs little, and says what the raw facts say."""

import asyncio
import json
import os
import resource
import subprocess
import sys
import time
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from typing import Any, NamedTuple

import openpyxl
import pytest

from consumers.key_file import open_key_file
from consumers.periodic_reports.contents.composition import read_figures
from consumers.periodic_reports.data_set import DataSet
from consumers.periodic_reports.figures import Figures
from consumers.periodic_reports.indicators import How, Indicator, load_indicators
from consumers.periodic_reports.tally import By
from producers.bus import Bus
from tests.conftest import reset_streams
from tests.deep.reports import recount
from tests.deep.reports.year_of_facts import FIRST, LAST, LOST_MONTH, simulated_year, store
from tests.support.seals import use_key

pytestmark = pytest.mark.timeout(1200)  # the whole year is one set-up
ROOT = Path(__file__).parents[3]
LOA = (Path(sys.executable).parent / "loa", "report")
MOST_S, MOST_MB = 60, 300
NO_DATA = "chưa có số liệu"
A_YEAR_LATER = """
import sys, time, time_machine
time_machine.travel(time.time() + 366 * 86_400).start()
from consumers.cli import main
main()
"""


class Cost(NamedTuple):
    processor_s: float
    memory_mb: float


class Year(NamedTuple):
    """The sealed year, and the figures of its raw facts."""

    environ: dict[str, str]
    folder: Path
    stored: int
    cost: Cost
    recounted: dict[str, Any]

    @property
    def data(self) -> DataSet:
        return DataSet(self.folder / "du-lieu.jsonl")


@pytest.fixture(scope="module")
def year(nats_server, tmp_path_factory) -> Year:
    folder = tmp_path_factory.mktemp("year")
    stored = asyncio.run(store_year(nats_server.url, folder))
    environ = os.environ | {"LOA_NATS_URL": nats_server.url, "LOA_DATA_DIR": str(folder)}
    cost = measured([*LOA, "year", "2025", "--by", "an"], environ)
    script = [sys.executable, "-I", recount.__file__, nats_server.url, FIRST, LAST]
    told = subprocess.run([*map(str, script), ROOT], check=True, capture_output=True).stdout
    return Year(environ, folder / "reports/2025", stored, cost, json.loads(told))


async def store_year(url: str, folder: Path) -> int:
    """Facts with the seals of the data in *folder*; the number of messages."""
    async with await Bus.connect(url, name="test") as bus:
        await reset_streams(bus)
        await open_key_file(bus, folder / "vault.key")
        await use_key(bus, folder)
        seals = bus.seals_of("fact.day")
        assert seals

        def seal(subject: str, body: bytes) -> str:
            (made,) = seals.headers(subject, body).values()
            return made

        return await asyncio.to_thread(store, url, simulated_year(), seal)


def measured(command: list[str | Path], environ: dict[str, str]) -> Cost:
    """Run *command*; its processor time, and the most memory that it had."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    process, peak = subprocess.Popen(command, env=environ, stdout=subprocess.DEVNULL), 0
    while process.poll() is None:
        status = Path(f"/proc/{process.pid}/status").read_text()
        lines = dict(line.split(":", 1) for line in status.splitlines())
        peak = max(peak, int(lines.get("VmHWM", "0 kB").split()[0]))
        time.sleep(0.05)
    assert process.returncode == 0
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Cost(used, peak / 1024)


def test_it_is_sealed_and_reported_within_60_s_and_300_mb(year):
    """Beside other tests the clock says nothing: Loa's own work is one thread's."""
    assert year.cost.processor_s <= MOST_S
    assert 50 < year.cost.memory_mb <= MOST_MB
    assert year.recounted["messages"] == year.stored > 120_000
    assert int(year.recounted["figures"]["expected total "]["value"]) > 49_000_000


def test_every_figure_equals_what_the_raw_facts_say(year):
    found = all_figures(year.data)
    assert found == year.recounted["figures"]
    assert len(found) > 300


def all_figures(data: DataSet) -> dict[str, dict[str, Any]]:
    """Each figure that a report states, as the recount has it."""
    figures, found = read_figures(data), dict[str, dict[str, Any]]()
    units = {*data.header().names["unit"]}
    for indicator in load_indicators():
        for by in {By.TOTAL, *indicator.by, *([By.UNIT] if indicator.statistic else [])}:
            words = {*figures.words([indicator], by)} if by is not By.TOTAL else {""}
            for word in words | units if by is By.UNIT else words:
                found[f"{indicator.id} {by} {word}"] = stated(figures, indicator, by, word)
    return found


def test_the_workbook_states_the_figures_that_the_raw_facts_say(year):
    texts = year.data.header().texts
    book = openpyxl.load_workbook(year.folder / "bao-cao.xlsx")
    _, _, heads, *rows = book[texts["tables"]["summary"]].values
    column = heads.index(texts["tables"]["achieved"])
    found = {row[0]: row[column] for row in rows if row[0]}
    for indicator in load_indicators():
        value = year.recounted["figures"][f"{indicator.id} total "]["value"]
        wanted = NO_DATA if value is None else in_measure(indicator, Decimal(value))
        assert found[texts["indicators"][indicator.id]["name"]] == wanted, indicator.id


def in_measure(indicator: Indicator, value: Decimal) -> float:
    """Durations are stated in hours."""
    if indicator.how not in (How.MEDIAN, How.P90):
        return float(value)
    return float((value / 3600).quantize(Decimal("0.01"), ROUND_HALF_UP))


def stated(figures: Figures, indicator: Indicator, by: By, word: str) -> dict[str, Any]:
    figure = figures.figure(indicator, by, word)
    return {
        "value": None if figure.value is None else str(figure.value),
        "lost": figure.missing_days,
    }


def test_no_figure_of_the_month_without_data_is_a_number(year):
    month = "{}-{:02}".format(*LOST_MONTH)
    of_month = {name: one for name, one in year.recounted["figures"].items() if month in name}
    assert {one["value"] for one in of_month.values()} == {None}
    book = openpyxl.load_workbook(year.folder / "bao-cao.xlsx")
    (sheet,) = (one for one in book.worksheets if one["A3"].value == "Tháng")
    (row,) = (row for row in sheet.values if row[0] == "07/2025")
    assert {*row[1:]} == {NO_DATA}
    assert len(of_month) == len(row) - 1 > 3


def test_a_year_later_the_sealed_set_gives_the_same_bytes(year):
    files = {file: file.read_bytes() for file in year.folder.glob("bao-cao.*")}
    assert len(files) == 3
    for file in files:
        file.unlink()
    later = [sys.executable, "-c", A_YEAR_LATER, "report", "files", "2025"]
    subprocess.run(later, env=year.environ, check=True, stdout=subprocess.DEVNULL)
    assert {file: file.read_bytes() for file in files} == files


def test_one_changed_byte_is_refused(year):
    verify = [*LOA, "verify", "2025"]
    whole = year.data.path.read_bytes()
    try:
        year.data.path.write_bytes(whole[:-9] + bytes([whole[-9] ^ 1]) + whole[-8:])
        refused = subprocess.run(verify, env=year.environ, capture_output=True, text=True)
    finally:
        year.data.path.write_bytes(whole)
    assert (refused.returncode, "đã bị sửa" in refused.stdout) == (1, True)
