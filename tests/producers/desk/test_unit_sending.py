"""How a unit's systems send: the repository's programs, the kinds of events, the change log."""

import html
import json
import re

import pytest

import contracts
from contracts import events
from contracts.testing import check_event
from producers.desk.rendering import desk_texts
from producers.desk.units.sending import EVENT_FILE, EXAMPLES
from tests.support.events import UNIT
from tests.support.repository import ROOT

OFFICER, OTHER = "nguoi-gui-tin", "vu-phap-che"
SAID = desk_texts()["sending"]
EXAMPLES_FOLDER = ROOT / "examples"
PROGRAMS = {".sh", ".py", ".mjs", ".mts", ".java", ".go", ".cs"}
_CODE = re.compile(r'<pre class="code"[^>]*><code>(.*?)</code></pre>', re.S)


async def codes(desk, unit: str) -> list[str]:
    """Every block of code of a unit's page."""
    desk.unit = unit
    await desk.registry.add(unit, release="desk")
    async with desk.signed_in("an", OFFICER) as browser:
        page = await browser.get(f"/don-vi/{unit}/cach-gui")
    assert page.status_code == 200
    return [html.unescape(one) for one in _CODE.findall(page.text)]


async def test_the_programs_are_those_of_the_repository(desk):
    shown = await codes(desk, UNIT)
    files = [EXAMPLES_FOLDER / one.file for one in (EVENT_FILE, *EXAMPLES)]
    assert shown[: len(files)] == [file.read_text("utf-8") for file in files]


def test_every_program_that_sends_is_shown():
    programs = {path for path in EXAMPLES_FOLDER.rglob("*") if path.suffix in PROGRAMS}
    shown = {EXAMPLES_FOLDER / one.file for one in EXAMPLES}
    assert programs - shown == {EXAMPLES_FOLDER / "keys.mjs"}, "which sends nothing"
    assert len(shown) == len(EXAMPLES)


async def test_the_programs_name_the_unit_and_a_placeholder_for_its_key(desk):
    shown = "".join(await codes(desk, OTHER))
    assert UNIT not in shown
    assert f'"/units/{OTHER}"' in shown and f"loa_{OTHER}_..." in shown
    assert not re.search(r"loa_[a-z-]+_[0-9a-f]{8}", shown)


@pytest.mark.parametrize("unit", [UNIT, OTHER])
async def test_each_kind_has_an_event_that_the_door_takes_and_its_schema(desk, unit):
    [first, *shown] = await codes(desk, unit)
    assert check_event(first, unit=unit)
    kinds = shown[len(EXAMPLES) : -1]
    for event_type, event, schema in zip(events.KINDS, kinds[::2], kinds[1::2], strict=True):
        assert json.loads(event)["type"] == event_type
        assert check_event(event, unit=unit)
        assert json.loads(schema)["$id"].endswith(event_type)


async def test_the_change_log_is_that_of_the_contracts(desk):
    changes = (ROOT / "contracts" / "CHANGES.md").read_text("utf-8")
    assert (await codes(desk, UNIT))[-1] == changes
    assert contracts.__file__.startswith(str(ROOT))
