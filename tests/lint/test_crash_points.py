"""Every crash point stands once in the code and once in the table that says what must follow."""

import re
from collections import Counter
from pathlib import Path

import pytest

from contracts.base import crash_points
from tests.deep.crash import launch
from tests.deep.crash.scenarios import BIRTH, WAYS
from tests.deep.crash.schedule import HAND, POINTS, plan_runs, quick_runs

ROOT = Path(__file__).parents[2]
ROOMS = ("contracts", "channels", "producers", "consumers")
CALL = re.compile(r'crash_point\("([a-z_]+\.[a-z_]+)"\)')
ANY_CALL = re.compile(r"crash_point\([^:)]+\)")
ROW = re.compile(r"^\| `([a-z_]+\.[a-z_]+)` \|(.+)\|$", re.M)
FEWEST = 36


def in_code() -> Counter[str]:
    texts = [path.read_text() for room in ROOMS for path in (ROOT / room).rglob("*.py")]
    return Counter(name for text in texts for name in CALL.findall(text))


def in_table() -> Counter[str]:
    page = (ROOT / "docs" / "crash-points.md").read_text()
    return Counter(name for name, _ in ROW.findall(page))


def test_every_crash_point_stands_at_one_place_in_the_code():
    named = in_code()
    assert [name for name, times in named.items() if times > 1] == []
    assert len(named) >= FEWEST


def test_every_call_names_its_point_in_plain_sight():
    texts = [path.read_text() for room in ROOMS for path in (ROOT / room).rglob("*.py")]
    calls = [call for text in texts for call in ANY_CALL.findall(text)]
    assert [call for call in calls if not CALL.fullmatch(call)] == []


def test_the_table_names_the_same_points_as_the_code_each_once():
    assert in_table() == in_code()


def test_the_table_says_of_each_point_what_happened_and_what_must_follow():
    page = (ROOT / "docs" / "crash-points.md").read_text()
    rows = {name: [cell.strip() for cell in rest.split(" | ")] for name, rest in ROW.findall(page)}
    assert [name for name, cells in rows.items() if len(cells) != 3 or not all(cells)] == []


def test_there_is_a_way_to_reach_every_point():
    assert {*WAYS, BIRTH} == {*in_code()}


def test_a_run_reaches_every_point_about_equally_often():
    kills = 10 * len(POINTS)
    hands = plan_runs(kills, "s")
    times = Counter(point for hand in hands for point in hand.points)
    assert sum(times.values()) == kills
    assert max(len(hand.points) for hand in hands) <= HAND + 1
    assert {*times} == {*POINTS, BIRTH}
    assert min(times[point] for point in WAYS) >= max(times[point] for point in WAYS) - 1


def test_the_same_seed_deals_the_same_deaths():
    assert plan_runs(200, "a") == plan_runs(200, "a")
    assert plan_runs(200, "a") != plan_runs(200, "b")


def test_a_crash_point_does_nothing_unless_it_is_armed():
    passed: list[str] = []
    crash_points.crash_point("tests.unarmed")
    crash_points.arm(passed.append)
    try:
        crash_points.crash_point("tests.armed")
    finally:
        crash_points.arm(None)
    crash_points.crash_point("tests.unarmed")
    assert passed == ["tests.armed"]


def test_a_death_that_is_meant_for_an_item_passes_a_canary_by(tmp_path, monkeypatch):
    died: list[object] = []
    monkeypatch.setattr(launch.os, "kill", lambda *_: died.append("here"))
    monkeypatch.setattr(launch, "trying", {"canary.portal.1"})
    death = launch.KillAtPoint("portal.tmp_written", 1, tmp_path / "deaths")
    death("portal.tmp_written")
    assert died == []
    launch.trying.clear()
    death("portal.tmp_written")
    assert died == ["here"]


@pytest.mark.parametrize("room", ROOMS)
def test_no_part_of_the_product_arms_a_crash_point(room):
    calls = [
        path for path in (ROOT / room).rglob("*.py") if re.search(r"\barm\(", path.read_text())
    ]
    assert [path.name for path in calls] in ([], ["crash_points.py"])


def test_the_quick_set_reaches_every_point():
    assert {point for hand in quick_runs() for point in hand.points} == {*POINTS, BIRTH}
