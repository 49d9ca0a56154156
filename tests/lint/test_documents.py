"""Documents name only what exists: files, commands, options, variables, events, codes."""

import re
import subprocess
from collections import Counter
from functools import cache

import pytest
import typer
from typer.core import TyperGroup

from channels.portal.storage.pictures import PICTURES_FOLDER
from channels.zalo import error_codes
from channels.zalo.webhook.endpoint import PATH as WEBHOOK_PATH
from consumers.app.unknown_variables import OF_SENDERS, known_variables
from consumers.cli.root import app
from producers.imports.imported_articles import MAX_CHANGES_A_DAY
from producers.imports.parse.dates import MAX_AHEAD
from producers.units.feed_settings import DEFAULT_EVERY_MIN, DEFAULT_MOST, LOOK_BACK
from sandbox.zalo.controls.faults import FaultKind
from sandbox.zalo.routes import CONTROLS
from sandbox.zalo.state.rules import Rules
from tests.lint.sources import PACKAGES, ROOT, SOURCES

CODE_PAGES = ("docs/glossary.md", "docs/architecture.md")
READMES = ("README.md", "README.vi.md")
LISTED = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z", "*.md"]
PAGES = {
    name: (ROOT / name).read_text("utf-8")
    for name in sorted(subprocess.check_output(LISTED, cwd=ROOT, text=True).split("\0"))
    if name and (ROOT / name).is_file()
}
COMMAND = typer.main.get_command(app)
TABLES = {
    title: re.findall(r"^\| ([^|]*)", section, re.M)
    for title, section in re.findall(
        r"^## (.*?)\n(.*?)(?=^## |\Z)", PAGES["docs/zalo-sandbox.md"], re.M | re.S
    )
}
HOSTS = (error_codes.OA_HOST, error_codes.BUSINESS_HOST, error_codes.OAUTH_HOST)


def test_no_file_has_the_marks_of_a_merge():
    marks = ["git", "grep", "--untracked", "-lIE", "^(<{7}|>{7}) "]
    assert subprocess.run(marks, cwd=ROOT, capture_output=True, text=True).stdout == ""


def named(pattern: str, *pages: str) -> set[str]:
    return {found for page in pages or PAGES for found in re.findall(pattern, PAGES[page])}


def readme_commands(page: str) -> set[str]:
    """The commands that a README tells its reader to type, in code blocks and inline code."""
    blocks = re.findall(r"^```\w*\n(.*?)^```", PAGES[page], re.M | re.S)
    inline = re.findall(r"`([^`\n]+)`", re.sub(r"^```.*?^```", "", PAGES[page], flags=re.M | re.S))
    lines = [*inline, *(line for block in blocks for line in block.splitlines())]
    calls = (line.split(" #")[0].strip().removeprefix("$ ") for line in lines)
    return {call for call in calls if re.match(r"(make|loa|docker|git|apt) ", call)}


def options(command: typer.core.TyperCommand) -> set[str]:
    return {name for param in command.params for name in (*param.opts, *param.secondary_opts)}


def test_both_readmes_name_the_same_commands_and_make_has_them():
    english, vietnamese = map(readme_commands, READMES)
    assert {"make demo", "make test"} <= english
    assert english == vietnamese
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.M))
    assert {call.split()[1] for call in english if call.startswith("make ")} <= targets


def test_both_pages_of_events_have_the_same_commands_from_an_empty_folder():
    headings = {"docs/events.md": "From an empty folder", "docs/events.vi.md": "Từ thư mục trống"}
    english, vietnamese = (shell_blocks(page, start) for page, start in headings.items())
    assert english and english == vietnamese


def shell_blocks(page: str, heading: str) -> list[str]:
    section = PAGES[page].split(f"\n## {heading}")[1].split("\n## ")[0]
    return re.findall(r"^```sh\n(.*?)^```", section, re.M | re.S)


@pytest.mark.parametrize("name", PAGES)
def test_relative_links_lead_to_files(name):
    prose = re.sub(r"^```.*?^```|`[^`\n]*`", "", PAGES[name], flags=re.M | re.S)
    targets = re.findall(r"!?\[[^\]]*\]\(([^)\s]+)[^)]*\)", prose)
    local = [t.split("#")[0] for t in targets if not re.match(r"[a-z]+:|#", t)]
    assert [t for t in local if not ((ROOT / name).parent / t).exists()] == []
    for file, anchor in (t.split("#") for t in targets if "#" in t and ":" not in t):
        page = ((ROOT / name).parent / file if file else ROOT / name).resolve()
        assert anchor in anchors(page.relative_to(ROOT.resolve()).as_posix()), (file, anchor)


@cache
def anchors(page: str) -> set[str]:
    """The names that GitHub gives to the headings of a page."""
    prose = re.sub(r"^```.*?^```", "", PAGES.get(page, ""), flags=re.M | re.S)
    headings = re.findall(r"^#+ (.*)$", prose, re.M)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_the_security_requirements_are_counted_and_each_stands_once():
    page = PAGES["docs/asvs.md"]
    rows = re.findall(
        r"^\| (\d+\.\d+\.\d+) \| [^|]+ \| ([a-z ]+) \| [^|]* \| [^|]+ \|$", page, re.M
    )
    told = re.findall(r"^\| (holds|partly|does not hold|does not apply) \| (\d+) \|$", page, re.M)
    assert Counter(verdict for _, verdict in rows) == {verdict: int(n) for verdict, n in told}
    assert len({id for id, _ in rows}) == len(rows) == 253
    listed = page.partition("## What does not hold")[2].partition("## V1 ")[0]
    open_ones = {id for id, verdict in rows if verdict in ("partly", "does not hold")}
    assert set(re.findall(r"\d+\.\d+\.\d+", listed)) == open_ones


def test_every_document_is_listed():
    listed = set(re.findall(r"\(([\w.-]+\.md)\)", PAGES["docs/README.md"]))
    assert {path.name for path in (ROOT / "docs").glob("*.md")} - {"README.md"} == listed


@pytest.mark.parametrize("call", sorted(named(r"`loa ([^`]+)`")))
def test_every_command_exists_with_its_options(call):
    words, command = call.split(), COMMAND
    while words and isinstance(command, TyperGroup) and words[0] in command.list_commands(None):
        command = command.get_command(None, words.pop(0))
    assert not isinstance(command, TyperGroup) or all(w.startswith("--") for w in words), call
    assert {word for word in words if word.startswith("--")} <= options(command)


def is_in_code(dotted: str) -> bool:
    """Whether *dotted* names a module, and something in its text."""
    parts = dotted.split(".")
    for length in range(len(parts), 0, -1):
        path = "/".join(parts[:length])
        text = SOURCES.get(f"{path}.py") or SOURCES.get(f"{path}/__init__.py")
        if text is not None:
            return not parts[length:] or bool(re.search(rf"\b{parts[length]}\b", text))
    return False


def test_every_name_of_the_code_exists():
    roots = "|".join(PACKAGES)
    dotted = named(rf"`((?:{roots})(?:\.(?!toml)\w+)+)(?:\(\))?`")
    assert [name for name in dotted if not is_in_code(name)] == []
    used = dotted | named(r"`(\w+)\(\)`") | named(r"`([A-Z][a-z]\w+(?:\.\w+)?)`", *CODE_PAGES)
    words = {word for text in SOURCES.values() for word in re.findall(r"\w+", text)}
    assert {word for name in used for word in name.split(".")} - words == set()
    files = named(rf"(?<![\w/.])((?:{roots}|tests)/[\w./-]+\.(?:py|toml|json))\b")
    assert [file for file in files if not (ROOT / file).exists()] == []


def test_the_route_of_an_event_names_functions_of_its_files():
    steps = re.findall(r"^\d+\. `(.+)` `(.+)\.(.+)`", PAGES["docs/architecture.md"], re.M)
    assert steps
    for file, owner, function in steps:
        assert re.search(
            rf"^class {owner}\b(?s:.*?)^    (async )?def {function}\(", SOURCES[file], re.M
        )


def test_every_variable_exists():
    variables = named(r"`(LOA_[A-Z_]+[A-Z])[=`]")
    assert {name for name in variables if not name.startswith("LOA_TEST_")} <= (
        known_variables() | OF_SENDERS
    )


def test_every_log_event_exists():
    told = named(r"`(zalo_[a-z_]+|canary_late)`", "docs/zalo.vi.md")
    told |= named(r"`(import_[a-z_]+)`", "docs/import.vi.md")
    assert told <= named(r"(?m)^\| `(\w+)` \|", "docs/logs.md")


def test_zalos_page_names_known_codes_and_addresses_that_answer():
    codes = {code for host in HOSTS for code in error_codes.rules_by_code(host)}
    assert set(map(int, named(r"`(-\d+)`", "docs/zalo.vi.md"))) <= codes
    assert {f"`{WEBHOOK_PATH}`", f"`/{PICTURES_FOLDER}/`"} <= named(r"`/.*?`", "docs/zalo.vi.md")


def test_the_imports_page_has_the_options_and_the_numbers_of_the_program():
    add = COMMAND.get_command(None, "import").get_command(None, "add")
    table = named(r"\| `(--[a-z]+)` \|", "docs/import.vi.md")
    assert table == {name for name in options(add) if name.startswith("--")}
    page = PAGES["docs/import.vi.md"]
    assert f"(mặc định {DEFAULT_EVERY_MIN}, từ 5 đến 1440)" in page
    assert f"(mặc định {DEFAULT_MOST})" in page
    assert f"không quá {MAX_AHEAD.days} ngày" in page
    assert (LOOK_BACK.days, MAX_CHANGES_A_DAY) == (2, 3), "two days, three texts: written as words"


def test_the_sandbox_page_explains_every_rule_fault_and_control():
    def words(*titles: str) -> set[str]:
        return set(re.findall(r"`(\w+)[`:]", " ".join(c for t in titles for c in TABLES[t])))

    assert words("Rules", "Webhooks") | {"unknown_phones"} == set(Rules.model_fields)
    assert words("Faults") == {kind.value for kind in FaultKind}
    spoken = named(r"`\w+ (/[\w/]+)", "docs/zalo-sandbox.md")
    spoken |= {path.removeprefix("/_sandbox") for path in named(r"`(/_sandbox/[\w/]+)")}
    assert {route.path.removeprefix("/_sandbox") for route in CONTROLS} <= spoken
