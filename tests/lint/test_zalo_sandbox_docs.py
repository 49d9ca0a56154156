"""docs/zalo-sandbox.md names every rule, fault, control and deed, and no others."""

import re
from pathlib import Path

import pytest

from channels.zalo import stand_in
from sandbox.zalo.controls import people_controls
from sandbox.zalo.controls.faults import FaultKind
from sandbox.zalo.routes import CONTROLS, PEOPLE, ROUTES
from sandbox.zalo.state.rules import Rules

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "zalo-sandbox.md").read_text("utf-8")
TABLES = {
    title: [line.split("|")[1] for line in section.splitlines() if line.startswith("| ")]
    for title, section in re.findall(r"^## (.*?)\n(.*?)(?=^## |\Z)", PAGE, re.M | re.S)
}


def named(*titles):
    """The words that the first columns of these sections' tables name."""
    cells = " ".join(cell for title in titles for cell in TABLES[title])
    return set(re.findall(r"`(\w+)[`:]", cells))


def test_every_rule_is_explained_and_no_other():
    assert named("Rules", "Webhooks") | {"unknown_phones"} == set(Rules.model_fields)


def test_every_fault_is_explained_and_no_other():
    assert named("Faults") == {kind.value for kind in FaultKind}


def test_every_control_is_explained():
    calls = {route.path for route in CONTROLS} | {"/_sandbox/people"}
    spoken = {f"/_sandbox{path}" for path in re.findall(r"`\w+ (/[\w/]+)", PAGE)}
    assert calls <= spoken | {f"/_sandbox{path}" for path in re.findall(r"`(/_sandbox\S*)`", PAGE)}


def test_every_deed_is_explained_and_no_other():
    deeds = {route.path.rpartition("/")[2] for route in PEOPLE} - {"people"}
    assert set(re.findall(r"`([\w-]+)`", " ".join(TABLES["People"]))) >= deeds


def test_how_zalo_treats_a_person_is_explained():
    treated = {"online", "on_mobile", "message_code", "template_code"}
    assert treated <= named("People")
    assert treated <= set(people_controls.PersonRequest.model_fields)


@pytest.mark.parametrize(
    "value", [stand_in.APP_ID, stand_in.APP_SECRET, stand_in.OA_ID, stand_in.OA_SECRET]
)
def test_the_values_are_the_ones_that_work(value):
    assert str(value) in PAGE


def test_the_page_can_be_found():
    assert "(zalo-sandbox.md)" in (DOCS / "operations.md").read_text("utf-8")


def test_every_route_has_a_name_of_its_own_but_the_second_verb_of_a_path():
    names = [route.kwargs.get("name") for route in ROUTES]
    given = [name for name in names if name]
    assert len(given) == len(set(given))
    nameless = [route.path for route in ROUTES if not route.kwargs.get("name")]
    assert {path for path in nameless if not path.startswith("/_sandbox/")} == set()
