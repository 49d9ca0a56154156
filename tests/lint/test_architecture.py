"""The rules of the code base: import directions, no cycles, sizes, docstrings."""

import ast
import builtins
import re
import shutil
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path

from tests.lint.sources import FILES, PACKAGES, ROOT, TREES, all_trees, nodes

PLANTED = (
    ("contracts/keys.py", "import channels.base"),
    ("producers/bus/errors.py", "import channels.base"),
    ("channels/base.py", "import nats"),
    ("contracts/keys.py", "import structlog"),
    ("consumers/ledger/backoff.py", "import producers.nats_server"),
    ("channels/base.py", "import sandbox.zalo.server"),
)
"""Imports against the arrows; with CYCLE they break all six contracts of import-linter."""
CYCLE = ("contracts/errors.py", "import contracts.content")
NO_NAMES = {"utils", "util", "helpers", "helper", "common", "manager", "misc", "tools"}
CATCH_ALL = {"consumers/runtime/ack.py", "producers/imports/isolate_errors.py"}
"""Modules that may catch every exception: they turn it into a dead letter or a feed's error."""
MOST_MODULES = 15
CROWDED = {"consumers/cli"}
"""One module per command group."""
FOREIGN_EXCEPTIONS = {
    *vars(builtins),
    "ExpatError", "HTTPException", "PydanticCustomError", "UnsupportedAlgorithm", "ValidationError",
}  # fmt: skip
RIDDLE = re.compile(
    r"\b(nobody|somebody|whoever|whomever|whatever|stands?(?!-in)|anybody|everybody)\b", re.I
)


def test_imports_against_the_arrows_and_cycles_are_caught(tmp_path):
    for name in PACKAGES:
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    for where, line in (*PLANTED, CYCLE):
        with (tmp_path / where).open("a") as module:
            module.write(f"\n{line}\n")
    command = [Path(sys.executable).parent / "lint-imports", "--no-cache"]
    answer = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    for where, line in PLANTED:
        source, target = where.removesuffix(".py").replace("/", "."), line.split()[1]
        assert f"{source} -> {target} " in answer.stdout, answer.stdout
    assert ".errors -> .content " in answer.stdout, answer.stdout
    assert len(re.findall(" BROKEN", answer.stdout)) == 6, answer.stdout


def test_no_package_has_too_many_modules_at_one_level():
    folders = Counter(path.parent for path in FILES if path.name != "__init__.py")
    crowded = {folder for folder, modules in folders.items() if modules > MOST_MODULES}
    assert {folder.relative_to(ROOT).as_posix() for folder in crowded} <= CROWDED


def test_no_function_is_longer_than_30_lines():
    assert [
        f"{module}:{node.lineno} {node.name}"
        for module, node in nodes(ast.FunctionDef, ast.AsyncFunctionDef)
        if node.end_lineno - node.lineno >= 30
    ] == []


def test_no_module_has_a_meaningless_name():
    named = {part for path in FILES for part in path.relative_to(ROOT).with_suffix("").parts}
    assert named & NO_NAMES == set()


def test_every_module_has_a_docstring():
    assert [name for name, tree in TREES.items() if not ast.get_docstring(tree)] == []


def docstrings(trees: dict[str, ast.Module] = TREES) -> Iterator[tuple[str, str]]:
    documented = ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef
    for module, node in nodes(*documented, trees=trees):
        if text := ast.get_docstring(node):
            yield f"{module}:{getattr(node, 'lineno', 1)}", text


def test_docstrings_name_their_subjects():
    """Plain English: no pronoun that leaves the reader guessing who acts."""
    texts = docstrings(all_trees())
    assert [f"{where} {text}" for where, text in texts if RIDDLE.search(text)] == []


def test_no_docstring_begins_with_what():
    """The first word is the subject, also below a field or a constant."""
    texts = nodes(ast.Expr, trees=all_trees())
    assert [
        f"{module}:{node.lineno} {node.value.value}"
        for module, node in texts
        if isinstance(node.value, ast.Constant) and str(node.value.value).startswith("What ")
    ] == []


def test_docstrings_name_exceptions_that_exist():
    """A renamed exception is renamed in docstrings, too."""
    known = {node.name for _, node in nodes(ast.ClassDef)} | FOREIGN_EXCEPTIONS
    assert [
        f"{where} {name}"
        for where, text in docstrings()
        for clause in re.findall(r"Raises?\b([^.]*)", text)
        for name in re.findall(r"\b[A-Z][a-z]+(?:[A-Z][a-z]+)+\b", clause)
        if name not in known
    ] == []


def test_public_exceptions_are_in_a_file_named_errors():
    classes = nodes(ast.ClassDef)
    declared = {node.name for module, node in classes if module.endswith("/errors.py")}
    assert [
        f"{module}: {node.name}"
        for module, node in classes
        for base in (ast.unparse(base).rpartition(".")[2] for base in node.bases)
        if base in declared or base.endswith(("Error", "Exception"))
        if not (node.name.startswith("_") or module.endswith("/errors.py"))
    ] == []


def names_used_elsewhere() -> dict[str, set[str]]:
    """By name: the files that import it, read it as an attribute, or name it in a string."""
    used = defaultdict(set)
    for file, node in nodes(ast.ImportFrom, ast.Attribute, ast.Constant, trees=all_trees()):
        if isinstance(node, ast.ImportFrom):
            for alias in node.names:
                used[alias.name].add(file)
        elif isinstance(node, ast.Attribute):
            used[node.attr].add(file)
        elif isinstance(node.value, str):
            used[node.value.rpartition(".")[2]].add(file)
    return used


def public_names(tree: ast.Module) -> Iterator[str]:
    """Functions without a decorator, and constants, at the top of a module."""
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and not node.decorator_list:
            yield node.name
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names = re.findall(r"\w+", " ".join(map(ast.unparse, targets)))
            yield from (name for name in names if name.isupper())


def test_names_that_only_their_module_uses_begin_with_an_underscore():
    used = names_used_elsewhere()
    documents = "".join(
        path.read_text() for path in [ROOT / "pyproject.toml", *ROOT.glob("[!.]*/**/*.md")]
    )
    assert [
        f"{module}: {name}"
        for module, tree in TREES.items()
        for name in public_names(tree)
        if not name.startswith("_") and not used[name] - {module} and name not in documents
    ] == []


def test_only_the_named_modules_catch_every_exception():
    handlers = nodes(ast.ExceptHandler)
    assert {module for module, node in handlers if catches_everything(node)} <= CATCH_ALL


def catches_everything(handler: ast.ExceptHandler) -> bool:
    """Whether *handler* takes every exception and does not raise it again at its end."""
    caught = ast.unparse(handler.type) if handler.type else "BaseException"
    raises_again = ast.unparse(handler.body[-1]) == "raise"
    return not raises_again and bool(re.search(r"\b(Base)?Exception\b", caught))


def test_only_the_named_modules_start_threads():
    """Work that may hang goes through `channels/daemon_threads.py`."""
    named = {
        "channels/daemon_threads.py",
        "clients/python/loa_client/sync_publisher.py",
        "consumers/runtime/log_writer.py",
        "consumers/runtime/otel.py",
        "producers/conformance/door.py",
    }
    starting = {where for where, tree in TREES.items() if "Thread(" in ast.unparse(tree)}
    assert starting == named


def test_the_body_of_a_task_group_waits():
    """Python 3.11 never uncounts the cancellation of a parent that waits at the group's end."""
    groups = [
        (module, node)
        for module, node in nodes(ast.AsyncWith)
        if isinstance(node, ast.AsyncWith) and "TaskGroup" in ast.unparse(node.items[-1])
    ]
    assert groups
    assert [
        f"{module}:{node.lineno}"
        for module, node in groups
        if not any(isinstance(one, ast.Await) for part in node.body for one in ast.walk(part))
    ] == []
