"""docs/zalo.vi.md names only what exists: commands, settings, log events, codes, addresses."""

import re
from pathlib import Path

import pytest
import typer
from typer.core import TyperGroup

from channels.portal.storage.pictures import PICTURES_FOLDER
from channels.zalo import error_codes
from channels.zalo.error_codes import ErrorKind
from channels.zalo.settings import ZaloSettings
from channels.zalo.webhook.endpoint import PATH
from consumers.cli import app

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "zalo.vi.md").read_text("utf-8")
COMMAND = typer.main.get_command(app)
"""Everything that can be typed."""


def spoken(pattern: str) -> list[str]:
    return sorted(set(re.findall(pattern, PAGE)))


def chain() -> list[str]:
    """The rows of the table of what has to be set up."""
    return [line for line in PAGE.splitlines() if re.match(r"\| \d+ \|", line)]


@pytest.mark.parametrize("call", spoken(r"`loa ([^`]+)`"))
def test_every_command_exists_with_its_options(call):
    words, command = call.split(), COMMAND
    while words and isinstance(command, TyperGroup) and words[0] in command.list_commands(None):
        command = command.get_command(None, words.pop(0))
    assert not isinstance(command, TyperGroup), call
    options = {name for one in command.params for name in (*one.opts, *one.secondary_opts)}
    assert {word for word in words if word.startswith("--")} <= options


@pytest.mark.parametrize("name", spoken(r"LOA_ZALO_([A-Z_]+[A-Z])"))
def test_every_setting_exists_and_is_explained(name):
    name = name.removesuffix("_FILE").removesuffix("_")
    assert name.lower() in ZaloSettings.model_fields
    assert f"`LOA_ZALO_{name}`" in (ROOT / "docs" / "configuration.md").read_text()


@pytest.mark.parametrize("event", spoken(r"`(zalo_[a-z_]+|canary_late)`"))
def test_every_log_event_exists(event):
    assert f"| `{event}` |" in (ROOT / "docs" / "logs.md").read_text()


@pytest.mark.parametrize("code", spoken(r"`(-\d+)`"))
def test_every_code_is_known(code):
    hosts = (error_codes.OA_HOST, error_codes.BUSINESS_HOST, error_codes.OAUTH_HOST)
    assert any(int(code) in error_codes.rules_by_code(host) for host in hosts)


@pytest.mark.parametrize("row", chain(), ids=[row.split("|")[2].strip() for row in chain()])
def test_what_has_to_be_set_up_is_mended_where_the_codes_say(row):
    _, _, _, place, said, _ = (cell.strip() for cell in row.split("|"))
    for code in map(int, re.findall(r"`(-\d+)`", said)):
        entries = [
            error_codes.rules_by_code(host).get(code, ())
            for host in (error_codes.OA_HOST, error_codes.BUSINESS_HOST)
        ]
        entries.append(error_codes.rules_by_code(error_codes.OAUTH_HOST).get(code, ()))
        rulings = [ruling for entry in entries for ruling in entry]
        needed = [
            one.fix
            for one in rulings
            if one.kind in (ErrorKind.OPERATOR, ErrorKind.TOKEN) or one.fix
        ]
        hosts = [fix for fix in needed if place.split(" >")[0].strip("`") in fix]
        assert hosts or not any(needed) or "connect" in place, (code, place, needed)


def test_the_addresses_are_those_that_answer():
    assert f"`{PATH}`" in PAGE
    assert f"`/{PICTURES_FOLDER}/`" in PAGE


@pytest.mark.parametrize("page", ["README.md", "README.vi.md", "docs/operations.md"])
def test_the_page_can_be_found(page):
    assert "zalo.vi.md)" in (ROOT / page).read_text("utf-8")
