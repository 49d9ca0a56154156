"""The bench still runs: every part with a few mails, and what is made of its numbers."""

import json
import xml.etree.ElementTree as ElementTree
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace

import pytest

from bench import __main__ as bench
from bench import loa, server, smtp_source
from bench.figures import Figure, at_least, at_most, percentile, typical
from bench.parts import cluster
from bench.picture import goodness, picture
from bench.record import record, written
from bench.sizes import SMALL, Sizes
from bench.table import table
from bench.tools import Missing

PATIENCE_S = 40  # as long as one of its mails may take
AT_ONCE = 4  # half of a part's time is the start of its Loa
FIGURES = [
    typical("mails", "÷ smtp-source", "x", [1.4, 1.0, 1.2], at_least(0.9)),
    percentile("notice", "POST to mail", "ms", [3.0, 4.0, 9.0], 99, at_most(5)),
    typical("intake", "events", "/s", [1234.0]),
    Figure.left_out("celery", "Loa ÷ Celery", "Celery is missing\nThiếu Celery"),
]


@pytest.fixture(scope="module")
def parts(tmp_path_factory):
    """Every part's findings to come, by name."""
    folder = tmp_path_factory.mktemp("bench")
    with pytest.MonkeyPatch.context() as patch, ThreadPoolExecutor(AT_ONCE) as pool:
        patch.setattr(loa, "ROOT", folder)
        patch.setattr(smtp_source, "BUILT", folder / "programs")
        patch.setattr(server, "SEND_S", PATIENCE_S)
        yield {name: pool.submit(measure, SMALL) for name, measure in bench.PARTS.items()}


def found(part: Future):
    try:
        return part.result()
    except Missing as missing:
        pytest.skip(str(missing).splitlines()[0])


@pytest.mark.parametrize("name", bench.PARTS)
def test_a_part_measures_what_it_is_for(parts, name):
    findings = found(parts[name])
    if all(one.missing for one in findings.figures):
        pytest.skip(findings.figures[0].missing.splitlines()[0])
    assert {one.part for one in findings.figures} == {name}
    for one in findings.figures:
        assert one.missing or one.low <= one.reached <= one.high, one
        assert one.missing or (one.n and (one.high > 0 or is_often_none(one))), one
    json.loads(written({"runs": findings.runs}))


def is_often_none(one: Figure) -> bool:
    """Whether nothing is as good a result: no more memory, no copies, no other server."""
    return one.unit in ("MB", "copies") or one.name == f"{cluster.ONE}: {cluster.BETWEEN}"


def test_a_verdict_is_that_of_the_median_or_of_the_percentile():
    assert [one.verdict for one in FIGURES] == ["reached", "MISSED", "no target", "not measured"]
    assert (FIGURES[0].reached, FIGURES[0].low, FIGURES[0].high, FIGURES[0].n) == (1.2, 1.0, 1.4, 3)


def test_the_table_has_a_line_for_every_figure():
    lines = table(FIGURES).splitlines()
    assert lines[2] == "| mails | ÷ smtp-source | 1.20x | 1.00 to 1.40x | 3 | ≥ 0.90x | reached |"
    assert "≤ 5.00 ms | MISSED" in lines[3]
    assert lines[5].endswith("| not measured: Celery is missing |")


@pytest.mark.parametrize(
    ("reached", "target", "times_as_good"),
    [
        (0.9, at_least(0.9), 1.0),
        (0.45, at_least(0.9), 0.5),
        (-3.0, at_least(0.9), 0.0),
        (10.0, at_most(5.0), 0.5),
        (0.0, at_most(5.0), 2.0),
        (0.0, at_most(0.0), 1.0),
        (1.0, at_most(0.0), 0.0),
    ],
)
def test_a_bar_is_as_long_as_its_figure_is_good(reached, target, times_as_good):
    assert goodness(typical("mails", "", "x", [reached], target)) == times_as_good


def test_the_picture_counts_the_targets_that_are_reached():
    none = typical("cluster", "copies", "copies", [0.0], at_most(0.0))
    drawn = ElementTree.fromstring(picture([*FIGURES, none], "two cores"))
    assert drawn.findtext("{http://www.w3.org/2000/svg}title").endswith(": 2 of 3 targets reached")


def test_the_record_names_no_host():
    found = record(bench.Findings(FIGURES), replace(Sizes(), mails=5), 61.0)
    assert found["sizes"]["mails"] == 5
    assert set(found["machine"]) == {"cpu", "cores", "memory_gib", "kernel", "load"}
    assert found["versions"]["python"]
