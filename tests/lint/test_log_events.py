"""The logs keep their contract: docs/logs.md names every event, and nothing personal is logged."""

import ast
import json
import re
import subprocess
import sys

import pytest

from tests.lint.sources import CLIENTS, PRODUCT, ROOT, TREES, nodes

LEVELS = ("debug", "info", "warning", "error", "exception", "critical")
PRIVATE = {
    *("address", "addresses", "email", "phone", "contact", "name"),
    *("token", "access_token", "refresh_token", "password", "secret", "api_key", "credentials"),
    *("title", "summary", "body", "text", "subject", "content", "data", "html"),
}
"""Names of values that must not reach a log line."""
ROW = re.compile(r"^\| `(\w+)` \| ([a-z, ]+) \| ([a-z, ]+) \| \S.*\|$", re.M)
SCRIPT = """
import structlog
from consumers.runtime import log_config
log_config.configure("json", service={service})
log = structlog.get_logger("consumers.somewhere")
log.info("state_changed", rows=1)
log.warning("trouble_seen", rows=2)
log.error("batch_unreadable", rows=3)
"""


def calls(pattern: str) -> list[tuple[str, ast.Call]]:
    """Calls of functions whose name matches *pattern*, with their places."""
    return [
        (f"{module}:{node.lineno}", node)
        for module, node in nodes(ast.Call)
        if module.startswith((*PRODUCT, *CLIENTS)) and re.fullmatch(pattern, ast.unparse(node.func))
    ]


LOG_CALLS = calls(rf"log(ger)?\.({'|'.join(LEVELS)})")


def events(where: str, node: ast.Call) -> list[str]:
    """The names that a call may log; anything but plain text would hide one from the table."""
    first = node.args[0]
    choices = [first.body, first.orelse] if isinstance(first, ast.IfExp) else [first]
    assert all(isinstance(choice, ast.Constant) for choice in choices), f"{where}: not a name"
    return [choice.value for choice in choices]


def facts(where: str, node: ast.Call) -> set[str]:
    """Every name under which a call puts something on a log line, by `**facts` too."""
    names = {keyword.arg for keyword in node.keywords if keyword.arg}
    splatted = {ast.unparse(keyword.value) for keyword in node.keywords if not keyword.arg}
    for made in ast.walk(TREES[where.partition(":")[0]]) if splatted else ():
        is_dict = isinstance(made, ast.Assign) and isinstance(made.value, ast.Dict)
        if is_dict and splatted & set(map(ast.unparse, made.targets)):
            names |= {key.value for key in made.value.keys if isinstance(key, ast.Constant)}
    return names


def test_the_table_names_every_event_of_the_code_once_with_its_levels_and_packages():
    written: dict[str, tuple[set[str], set[str]]] = {}
    for where, node in LOG_CALLS:
        for event in events(where, node):
            levels, packages = written.setdefault(event, (set(), set()))
            levels.add(node.func.attr.replace("exception", "error"))
            packages.add(where.partition("/")[0])
    rows = ROW.findall((ROOT / "docs" / "logs.md").read_text("utf-8"))
    table = {event: tuple(set(cell.split(", ")) for cell in cells) for event, *cells in rows}
    assert table == written
    assert len(table) == len(rows)
    assert [event for event in written if not re.fullmatch(r"[a-z]+(_[a-z]+)*", event)] == []


def test_no_log_line_carries_an_address_a_token_or_a_text():
    bound = [*LOG_CALLS, *calls(r".*bound_contextvars")]
    assert [where for where, node in bound if facts(where, node) & PRIVATE] == []


def test_facts_are_named_never_put_into_the_event():
    assert [where for where, node in LOG_CALLS if len(node.args) != 1] == []


@pytest.mark.parametrize(
    ("service", "lines"),
    [(True, ["state_changed", "trouble_seen", "batch_unreadable"]), (False, ["batch_unreadable"])],
)
def test_a_service_logs_every_change_and_a_command_only_errors(service, lines):
    command = [sys.executable, "-c", SCRIPT.format(service=service)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    logged, other = (done.stdout, done.stderr) if service else (done.stderr, done.stdout)
    read = [json.loads(line) for line in logged.splitlines()]
    assert [line["event"] for line in read] == lines
    assert all({"timestamp", "level", "event", "rows"} <= set(line) for line in read)
    assert other == ""
