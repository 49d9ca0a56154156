"""The house rules hold: which way the arrows point, and how big things may grow."""

import ast
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
ROOMS = ("contracts", "channels", "producers", "consumers")
FILES = sorted(path for room in ROOMS for path in (ROOT / room).rglob("*.py"))
TREES = {path.relative_to(ROOT).as_posix(): ast.parse(path.read_text()) for path in FILES}
LINT_IMPORTS = Path(sys.executable).parent / "lint-imports"
NO_NAMES = {"utils", "util", "helpers", "helper", "common", "manager", "misc", "tools"}


def functions() -> Iterator[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef]]:
    for name, tree in TREES.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                yield f"{name}:{node.lineno} {node.name}", node


def lint_imports(folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [LINT_IMPORTS, "--no-cache"], cwd=folder, capture_output=True, text=True, check=False
    )


def test_imports_point_one_way():
    answer = lint_imports(ROOT)
    assert answer.returncode == 0, answer.stdout


@pytest.mark.parametrize(
    ("where", "line", "broken"),
    [
        ("contracts/keys.py", "import channels.base", "one way down"),
        ("producers/bus/errors.py", "import channels.base", "one way down"),
        ("channels/base.py", "import nats", "never meet the bus"),
        ("contracts/keys.py", "import structlog", "contracts do no I/O"),
        ("consumers/retry.py", "import producers.server", "borrow only the bus"),
    ],
)
def test_an_import_against_the_arrows_is_caught(tmp_path, where, line, broken):
    for room in ROOMS:
        shutil.copytree(ROOT / room, tmp_path / room, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    planted = tmp_path / where
    planted.write_text(f"{planted.read_text()}\n{line}\n")
    answer = lint_imports(tmp_path)
    assert answer.returncode != 0
    assert re.search(rf"{broken}.* BROKEN", answer.stdout), answer.stdout


def test_no_file_is_longer_than_300_lines():
    sizes = {
        path.relative_to(ROOT).as_posix(): len(path.read_text().splitlines()) for path in FILES
    }
    assert {name: size for name, size in sizes.items() if size > 300} == {}


def test_no_function_is_longer_than_30_lines():
    sizes = {name: node.end_lineno - node.lineno + 1 for name, node in functions()}
    assert {name: size for name, size in sizes.items() if size > 30} == {}


def test_no_module_is_named_after_nothing():
    named = {part for path in FILES for part in path.relative_to(ROOT).with_suffix("").parts}
    assert named & NO_NAMES == set()


def test_every_module_says_what_it_is_for():
    assert [name for name, tree in TREES.items() if not ast.get_docstring(tree)] == []


def test_only_settle_and_the_net_of_the_import_catch_everything():
    catching = {
        name
        for name, tree in TREES.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.ExceptHandler) and catches_everything(node)
    }
    assert catching <= {"consumers/settle.py", "producers/imports/net.py"}


def catches_everything(handler: ast.ExceptHandler) -> bool:
    """A handler that tidies up and raises the same again is no catch."""
    if isinstance(handler.body[-1], ast.Raise) and handler.body[-1].exc is None:
        return False
    kinds = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    return any(
        kind is None or (isinstance(kind, ast.Name) and kind.id in ("Exception", "BaseException"))
        for kind in kinds
    )
