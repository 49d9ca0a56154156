"""Every crash point is once in the code, and once in the table that says what must follow."""

import re
from collections import Counter

from contracts.base import crash_points
from tests.deep.crash.desk_stories import STORIES
from tests.deep.crash.scenarios import BIRTH, WAYS
from tests.deep.crash.schedule import POINTS, quick_runs
from tests.lint.sources import ROOT, SOURCES

CALL = re.compile(r'crash_point\("([a-z_]+\.[a-z_]+)"\)')
ANY_CALL = re.compile(r"crash_point\([^:)]+\)")
ROW = re.compile(r"^\| `([a-z_]+\.[a-z_]+)` \|(.+)\|$", re.M)
FEWEST = 36
NAMED = Counter(name for text in SOURCES.values() for name in CALL.findall(text))


def test_every_crash_point_is_named_in_plain_sight_at_one_place():
    calls = [call for text in SOURCES.values() for call in ANY_CALL.findall(text)]
    assert [call for call in calls if not CALL.fullmatch(call)] == []
    assert set(NAMED.values()) == {1}
    assert len(NAMED) >= FEWEST


def test_the_table_says_of_each_point_once_what_happened_and_what_must_follow():
    rows = ROW.findall((ROOT / "docs" / "crash-points.md").read_text())
    assert Counter(name for name, _ in rows) == NAMED
    cells = {name: [cell.strip() for cell in rest.split(" | ")] for name, rest in rows}
    assert [name for name, row in cells.items() if len(row) != 3 or not all(row)] == []


def test_the_quick_set_reaches_every_point_and_there_is_a_way_to_each():
    assert {*WAYS, BIRTH} == {*NAMED}
    assert {point for hand in quick_runs() for point in hand.points} == {*POINTS, BIRTH}


def test_the_desk_dies_at_every_point_of_its_buttons():
    pressed = {point for presses in STORIES.values() for one in presses for point in one.points}
    of_the_desk = {name for name in NAMED if name.startswith(("desk.", "editorial.", "session."))}
    assert of_the_desk - pressed == {"desk.overtaken"}, "to be reached by a unit's system alone"
    assert pressed <= {*NAMED}


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


def test_no_part_of_the_product_arms_a_crash_point():
    arming = {module for module, text in SOURCES.items() if re.search(r"\barm\(", text)}
    assert arming == {"contracts/base/crash_points.py"}
