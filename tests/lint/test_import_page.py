"""docs/import.vi.md names only what exists, says the real numbers, and can be found."""

import re

import pytest
import typer

from consumers.cli.imports import app
from producers.imports.imported_articles import MAX_CHANGES_A_DAY
from producers.imports.parse.dates import MAX_AHEAD
from producers.texts import catalog
from producers.units.feed_settings import DEFAULT_EVERY_MIN, DEFAULT_MOST, LOOK_BACK
from tests.lint.test_zalo_page import ROOT

PAGE = (ROOT / "docs" / "import.vi.md").read_text("utf-8")
COMMANDS = typer.main.get_command(app).commands


def spoken(pattern: str) -> list[str]:
    return sorted(set(re.findall(pattern, PAGE)))


@pytest.mark.parametrize("call", spoken(r"loa import ([^`\n]+)"))
def test_every_command_exists_with_its_options(call):
    name, *words = call.split()
    options = {option for one in COMMANDS[name].params for option in one.opts}
    assert {word for word in words if word.startswith("--")} <= options


@pytest.mark.parametrize("option", spoken(r"\| `(--[a-z]+)` \|"))
def test_every_option_of_the_table_exists(option):
    assert option in {name for one in COMMANDS["add"].params for name in one.opts}


def test_the_table_leaves_no_option_out():
    options = {name for one in COMMANDS["add"].params for name in one.opts if "--" in name}
    assert options == set(spoken(r"\| `(--[a-z]+)` \|"))


@pytest.mark.parametrize("event", spoken(r"`(import_[a-z_]+)`"))
def test_every_log_event_exists(event):
    assert f"| `{event}` |" in (ROOT / "docs" / "logs.md").read_text("utf-8")


def test_the_numbers_are_the_programs():
    assert f"(mặc định {DEFAULT_EVERY_MIN}, từ 5 đến 1440)" in PAGE
    assert f"(mặc định {DEFAULT_MOST})" in PAGE
    assert f"không quá {MAX_AHEAD.days} ngày" in PAGE
    assert (LOOK_BACK.days, MAX_CHANGES_A_DAY) == (2, 3), "two days, three texts: written as words"


@pytest.mark.parametrize("name", ["becomes_new", "becomes_ahead", "becomes_old", "web_page"])
def test_what_it_quotes_is_what_is_said(name):
    assert catalog()["import"][name]["vi"] in PAGE


@pytest.mark.parametrize("page", ["README.md", "README.vi.md", "docs/import.md"])
def test_the_page_can_be_found(page):
    assert "import.vi.md)" in (ROOT / page).read_text("utf-8")
