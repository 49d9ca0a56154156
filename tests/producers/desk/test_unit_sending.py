"""How a unit's systems send: the repository's programs, the kinds of events, the change log."""

import html
import json
import re
import tomllib

import pytest

import contracts
from contracts import events
from contracts.events import kind_of
from contracts.testing import check_event
from producers.desk.rendering import desk_texts
from producers.desk.units.sending import COMMANDS, EVENT_FILE, EXAMPLES
from tests.support.events import UNIT
from tests.support.repository import ROOT

OFFICER, OTHER = "nguoi-gui-tin", "vu-phap-che"
TEXTS = desk_texts()
SAID, KIND = TEXTS["sending"], TEXTS["unit"]["kind"]
EXAMPLES_FOLDER = ROOT / "examples"
PROGRAMS = {".sh", ".py", ".mjs", ".mts", ".java", ".go", ".cs"}
DOCUMENTS = [*(ROOT / "docs").glob("*.md"), *(EXAMPLES_FOLDER / one.file for one in EXAMPLES)]
_CODE = re.compile(r'<pre class="code"[^>]*aria-label="(.*?)"[^>]*><code>(.*?)</code></pre>', re.S)


async def codes(desk, unit: str) -> dict[str, str]:
    """Every block of code of a unit's page, by its name."""
    desk.unit = unit
    await desk.registry.add(unit, release="desk")
    async with desk.signed_in("an", OFFICER) as browser:
        page = await browser.get(f"/don-vi/{unit}/cach-gui")
    assert page.status_code == 200
    found = _CODE.findall(page.text)
    named = {html.unescape(name): html.unescape(text) for name, text in found}
    assert len(named) == len(found)
    return named


async def test_the_programs_are_those_of_the_repository(desk):
    shown = await codes(desk, UNIT)
    assert shown[SAID["event_file"]] == (EXAMPLES_FOLDER / EVENT_FILE.file).read_text("utf-8")
    for one in EXAMPLES:
        assert shown[one.file] == (EXAMPLES_FOLDER / one.file).read_text("utf-8")


def test_every_program_that_sends_is_shown():
    programs = {path for path in EXAMPLES_FOLDER.rglob("*") if path.suffix in PROGRAMS}
    shown = {EXAMPLES_FOLDER / one.file for one in EXAMPLES}
    assert programs == shown
    assert len(shown) == len(EXAMPLES)


async def test_a_program_names_the_file_of_the_package_that_it_needs(desk):
    python = tomllib.loads((ROOT / "clients/python/pyproject.toml").read_text("utf-8"))["project"]
    node = json.loads((ROOT / "clients/typescript/package.json").read_text("utf-8"))
    shown = await codes(desk, UNIT)
    assert shown["loa_client"] == f"pip install ./loa_client-{python['version']}-py3-none-any.whl"
    assert shown["@loa/client"] == f"npm install ./loa-client-{node['version']}.tgz"
    needs = {one.package for one in EXAMPLES if one.package}
    assert needs == {python["name"].replace("-", "_"), node["name"]} == needs & {*shown}


async def test_each_way_to_try_and_to_follow_an_event_has_commands_of_the_documents(desk):
    written = "\n".join(file.read_text("utf-8") for file in DOCUMENTS)
    shown = await codes(desk, OTHER)
    for way, commands in COMMANDS.items():
        assert shown[SAID[way]].splitlines() == [one.replace(UNIT, OTHER) for one in commands]
        assert [one for one in commands if one not in written] == []


async def test_the_programs_name_the_unit_and_a_placeholder_for_its_key(desk):
    shown = "".join((await codes(desk, OTHER)).values())
    assert UNIT not in shown
    assert f'"/units/{OTHER}"' in shown and f"loa_{OTHER}_..." in shown
    assert not re.search(r"loa_[a-z-]+_[0-9a-f]{8}", shown)


@pytest.mark.parametrize("unit", [UNIT, OTHER])
async def test_each_kind_has_an_event_that_the_door_takes_and_its_schema(desk, unit):
    shown = await codes(desk, unit)
    assert check_event(shown[SAID["event_file"]], unit=unit)
    for event_type in events.KINDS:
        name = KIND[kind_of(event_type)]
        event = shown[SAID["example_of"].format(name)]
        assert json.loads(event)["type"] == event_type
        assert check_event(event, unit=unit)
        schema = json.loads(shown[SAID["schema_of"].format(name)])
        assert schema["$id"].endswith(event_type)


async def test_the_change_log_is_that_of_the_contracts(desk):
    changes = (ROOT / "contracts" / "CHANGES.md").read_text("utf-8")
    assert (await codes(desk, UNIT))[SAID["change_log"]] == changes
    assert contracts.__file__.startswith(str(ROOT))
