"""The logs keep their contract: docs/logs.md names every event, and nothing personal is logged."""

import ast
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[2]
ROOMS = ("contracts", "channels", "producers", "consumers")
LEVELS = ("debug", "info", "warning", "error", "exception", "critical")
PRIVATE = {
    *("address", "addresses", "email", "phone", "contact", "name"),
    *("token", "access_token", "refresh_token", "password", "secret", "api_key", "credentials"),
    *("title", "summary", "body", "text", "subject", "content", "data", "html"),
}
"""Names of values that must not reach a log line."""


class LogCall(NamedTuple):
    """One call `log.<level>(...)` of the product."""

    where: str
    level: str
    node: ast.Call

    @property
    def room(self) -> str:
        return self.where.partition("/")[0]

    @property
    def events(self) -> list[str]:
        """The names it may log; anything but plain text would hide one from the table."""
        first = self.node.args[0]
        choices = [first.body, first.orelse] if isinstance(first, ast.IfExp) else [first]
        assert all(isinstance(one, ast.Constant) for one in choices), f"{self.where}: not a name"
        return [one.value for one in choices]


def modules() -> Iterator[tuple[str, ast.Module]]:
    for room in ROOMS:
        for path in sorted((ROOT / room).rglob("*.py")):
            yield path.relative_to(ROOT).as_posix(), ast.parse(path.read_text("utf-8"))


def is_log_call(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and isinstance(node.func.value, ast.Name)
        and node.func.value.id in ("log", "logger")
        and node.func.attr in LEVELS
    )


def calls() -> list[LogCall]:
    return [
        LogCall(f"{file}:{node.lineno}", node.func.attr, node)
        for file, module in modules()
        for node in ast.walk(module)
        if is_log_call(node)
    ]


def written() -> dict[str, tuple[set[str], set[str]]]:
    """Event → its levels and rooms, as the code has them."""
    found: dict[str, tuple[set[str], set[str]]] = {}
    for call in calls():
        for event in call.events:
            levels, rooms = found.setdefault(event, (set(), set()))
            levels.add("error" if call.level == "exception" else call.level)
            rooms.add(call.room)
    return found


def documented() -> dict[str, tuple[set[str], set[str]]]:
    """The same, as the table tells it."""
    rows = re.findall(
        r"^\| `(\w+)` \| ([a-z, ]+) \| ([a-z, ]+) \| \S.*\|$",
        (ROOT / "docs" / "logs.md").read_text("utf-8"),
        re.M,
    )
    return {
        event: (set(levels.split(", ")), set(rooms.split(", "))) for event, levels, rooms in rows
    }


def splatted(module: ast.Module, name: str) -> set[str]:
    """Keys of the dicts that a module's variable *name* is made of."""
    made = [
        node.value
        for node in ast.walk(module)
        if isinstance(node, ast.Assign)
        and any(isinstance(target, ast.Name) and target.id == name for target in node.targets)
    ]
    keys = [one.keys for one in made if isinstance(one, ast.Dict)]
    return {key.value for some in keys for key in some if isinstance(key, ast.Constant)}


def said(module: ast.Module, node: ast.Call) -> set[str]:
    """Every name under which a call puts something on a log line."""
    names: set[str] = set()
    for keyword in node.keywords:
        if keyword.arg:
            names.add(keyword.arg)
        elif isinstance(keyword.value, ast.Name):
            names |= splatted(module, keyword.value.id)
    return names


def is_binding(node: ast.AST) -> bool:
    """`bound_contextvars(...)`, however it was imported."""
    return isinstance(node, ast.Call) and ast.unparse(node.func).endswith("bound_contextvars")


def test_every_event_of_the_code_stands_in_the_table_and_the_other_way_round():
    assert documented() == written()


def test_the_table_names_each_event_once():
    table = re.findall(r"^\| `(\w+)` ", (ROOT / "docs" / "logs.md").read_text("utf-8"), re.M)
    assert len(table) == len(set(table))


def test_an_event_is_named_in_lower_case_words():
    assert [event for event in written() if not re.fullmatch(r"[a-z]+(_[a-z]+)*", event)] == []


def test_no_log_line_carries_an_address_a_token_or_a_text():
    found = [
        f"{file}:{node.lineno}: {', '.join(sorted(private))}"
        for file, module in modules()
        for node in ast.walk(module)
        if is_log_call(node) or is_binding(node)
        if (private := said(module, node) & PRIVATE)
    ]
    assert found == []


def test_facts_are_named_never_put_into_the_event():
    assert [call.where for call in calls() if len(call.node.args) != 1] == []


@pytest.mark.parametrize(
    ("line", "private"),
    [
        ("log.info('mail_sent', email=row.address)", {"email"}),
        ("facts = {'title': item.title}\nlog.info('item_released', **facts)", {"title"}),
        ("log.info('batch_closed', rows=3)", set()),
    ],
)
def test_this_check_finds_what_it_is_for(line, private):
    module = ast.parse(line)
    found = [said(module, node) & PRIVATE for node in ast.walk(module) if is_log_call(node)]
    assert found == [private]


@pytest.mark.parametrize(
    ("service", "lines"),
    [
        (True, ["state_changed", "trouble_seen", "batch_unreadable"]),
        (False, ["batch_unreadable"]),
    ],
)
def test_a_service_logs_every_change_and_a_command_only_errors(service, lines):
    script = (
        "import structlog\n"
        "from consumers.runtime import log_config\n"
        f"log_config.configure('json', service={service})\n"
        "log = structlog.get_logger('consumers.somewhere')\n"
        "log.info('state_changed', rows=1)\n"
        "log.warning('trouble_seen', rows=2)\n"
        "log.error('batch_unreadable', rows=3)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True
    )
    logged, other = (done.stdout, done.stderr) if service else (done.stderr, done.stdout)
    read = [json.loads(line) for line in logged.splitlines()]
    assert [line["event"] for line in read] == lines
    assert all({"timestamp", "level", "event", "rows"} <= set(line) for line in read)
    assert other == ""
