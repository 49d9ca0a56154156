"""Reports of random histories with random gaps: a recount agrees, and no gap reads as a number."""

import json
import random
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from consumers.periodic_reports.archive import HeaderSources
from consumers.periodic_reports.contents.composition import compose
from consumers.periodic_reports.contents.texts import load_texts
from consumers.periodic_reports.data_set import DataSet, write_lines
from consumers.periodic_reports.from_facts import FactRows
from consumers.periodic_reports.gather import Gatherer
from consumers.periodic_reports.span import Span
from contracts import facts
from contracts.facts import ReleaseFact
from contracts.vocabulary import DEFAULT
from tests.deep.reports import recount
from tests.deep.reports.test_year import ROOT, all_figures
from tests.deep.reports.year_of_facts import KINDS, Told, simulated_days

FIRST, DAYS, ITEMS = date(2025, 3, 3), 50, 40
SPAN = Span(FIRST, FIRST + timedelta(DAYS - 1))
NO_DATA = "chưa có số liệu"


def history(chance: random.Random) -> list[Told]:
    """Facts of days of which some lack kinds, or were not told at all."""
    days = sorted(SPAN.days())
    told = [*simulated_days(chance, days, ITEMS)]
    never, silent = set(chance.sample(KINDS, chance.randrange(4))), chance.randrange(30)
    lost = {str(one) for one in days[silent : silent + chance.randrange(25)]}
    return [*_with_gaps(chance, told, never, lost)]


def _with_gaps(
    chance: random.Random, told: list[Told], never: set[str], lost: set[str]
) -> Iterator[Told]:
    for one in told:
        if one.key.partition(".")[0] in never or lost & {one.fact.get("on", "")}:
            continue
        if one.key.startswith("day."):
            lacks = never | ({chance.choice(KINDS)} if chance.random() < 0.1 else set())
            counted = [kind for kind in one.fact["counted"] if kind not in lacks]
            yield one._replace(fact=one.fact | {"counted": counted})
        else:
            yield one


def data_set(path: Path, told: list[Told]) -> DataSet:
    """The data set, as sealing gathers it from the stream."""
    sources = HeaderSources(load_texts(Path("none")), DEFAULT)
    gathered = Gatherer(SPAN, sources.fact_rows())
    stored = [facts.decode(key, json.dumps(fact).encode()) for key, fact in told]
    for fact in stored:
        if isinstance(fact, ReleaseFact):
            gathered.facts.learn(fact)
    for fact in stored:
        gathered.add(fact)
    gathered.complete()
    return write_lines(path, sources.header("thu", SPAN, None), gathered.gaps, gathered.lines())


@pytest.mark.parametrize("seed", range(12))
def test_every_figure_equals_the_recount_and_a_gap_is_no_number(tmp_path, seed):
    told = history(random.Random(seed))
    data = data_set(tmp_path / "set", told)
    rules = recount.Rules.read(ROOT, SPAN.first)
    year = recount.Year(dict(told), SPAN.first, SPAN.last, rules)
    expected = dict(recount.figures(year, rules))
    assert all_figures(data) == expected
    lacking = [name for name, one in expected.items() if one["lost"] == DAYS]
    assert {expected[name]["value"] for name in lacking} == {None}
    for table in compose(data).tables():
        cells = [cell for row in table.rows for cell in row if cell.figure]
        for cell in cells:
            assert (cell.figure.value is None) == (cell.text == NO_DATA)
            assert bool(cell.figure.reason) == (cell.figure.value is None)
        if any(cell.figure.value is None for cell in cells):
            assert table.notes, "each lack has its reason under the table"


def test_figures_do_not_depend_on_the_order_in_which_facts_were_stored(tmp_path):
    told = history(random.Random(99))
    whole = data_set(tmp_path / "one", told).path.read_bytes()
    newest = [Told(key, fact) for key, fact in dict(told).items()]
    random.Random(1).shuffle(newest)
    assert data_set(tmp_path / "two", newest).path.read_bytes() == whole


def stops(chance: random.Random, content_id: str) -> Iterator[Told]:
    """An item that states an interruption of services, and changes what it states."""
    begins, at = datetime(2025, 3, 20, 15, tzinfo=UTC), datetime(2025, 3, 4, tzinfo=UTC)
    hour = timedelta(hours=1)
    for revision in range(1, 8):
        at += hour * chance.choice((1, 30, 100))
        action = chance.choice(("published", "corrected", "corrected", "corrected", "withdrawn"))
        fact: dict[str, Any] = {"content_id": content_id, "revision": revision, "action": action}
        fact |= {"unit": "van-phong-bo", "topic": "lich-nghi-le", "lane": "normal"}
        shown = at + hour * chance.choice((0, 0, 0, 40))
        fact |= {"channels": ["email"], "released_at": at, "shown_at": shown}
        if chance.random() < 0.9:
            began = begins + hour * chance.choice((0, 0, 0, 2, 26, -3))
            ends = began + hour * chance.choice((4, 8, 400))
            services = chance.sample(["Nộp hồ sơ", "Tra cứu", "Nộp phí"], chance.choice((1, 2, 2)))
            fact |= {"interrupts_at": began, "expected_recovery_at": ends, "services": services}
            fact |= {"is_force_majeure": chance.random() < 0.2}
            fact |= {"resumed_at": began + hour} if chance.random() < 0.1 else {}
        written = {
            name: one.isoformat() if isinstance(one, datetime) else one
            for name, one in fact.items()
        }
        yield Told(f"release.{content_id}.{revision}", written)


def test_announcements_of_interruptions_equal_the_recount():
    chance, rows = random.Random(13), FactRows()
    rules, seen = recount.Rules.read(ROOT, SPAN.first), Counter[str]()
    for number in range(400):
        told = [*stops(chance, f"tin-{number}")]
        stored = [facts.decode(key, json.dumps(fact).encode()) for key, fact in told]
        for fact in stored:
            rows.learn(fact)
        found = Counter(
            (row.kind, row.day)
            for fact in stored
            for row in rows.of(fact)
            if row.kind.startswith("interruptions.")
        )
        counts = recount._interruptions(dict(told), rules)
        assert found == Counter((one.kind, one.day) for one in counts), number
        seen += Counter(kind for kind, _ in found.elements())
    assert min(seen[f"interruptions.{one}"] for one in ("in_time", "late", "force_majeure")) > 9
    stated = 400 * 7 * 0.7
    assert 400 < seen["interruptions.announced"] < stated, "some are announced, some are changes"
