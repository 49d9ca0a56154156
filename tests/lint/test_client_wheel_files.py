"""List of the client's wheel: it has all that its modules import and read."""

import ast
import tomllib
from collections.abc import Iterator
from pathlib import PurePosixPath

import pytest

from tests.lint.sources import ROOT, TREES

FILE = ROOT / "producers" / "pyproject.toml"
PACKAGES = {"contracts", "channels", "producers", "consumers", "sandbox"}


def listed() -> dict[str, str]:
    """Paths in the wheel → the same in the repository."""
    build = tomllib.loads(FILE.read_text("utf-8"))["tool"]["hatch"]["build"]
    return build["targets"]["wheel"]["force-include"]


def is_shipped(path: PurePosixPath, paths: set[str]) -> bool:
    return any(str(part) in paths for part in (path, *path.parents))


def missing(paths: set[str], trees: dict[str, ast.Module]) -> list[str]:
    """Modules and files that modules below *paths* import or read, and *paths* does not have."""
    found = {
        f"{module}: {needed}"
        for module, tree in trees.items()
        if is_shipped(PurePosixPath(module), paths)
        for needed in (*imported(tree), *read_files(module, tree))
        if not is_shipped(PurePosixPath(needed), paths)
    }
    return sorted(found)


def imported(tree: ast.Module) -> Iterator[str]:
    """The files of the modules that *tree* imports, at its top and in functions."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        else:
            continue
        yield from (file for name in names if (file := module_file(name)))


def module_file(name: str) -> str:
    """The file of a module of ours; empty for others, and for what a module defines."""
    path = PurePosixPath(*name.split("."))
    files = (f"{path}.py", f"{path}/__init__.py")
    return next((file for file in files if name.split(".")[0] in PACKAGES and file in TREES), "")


def read_files(module: str, tree: ast.Module) -> Iterator[str]:
    """Data files that lie beside *module*, and that it names."""
    folder = PurePosixPath(module).parent
    texts = (str(node.value) for node in ast.walk(tree) if isinstance(node, ast.Constant))
    names = (text for text in texts if text.endswith((".toml", ".json")))
    return (str(folder / name) for name in names if (ROOT / folder / name).is_file())


def test_each_listed_file_exists_under_its_own_name():
    for source, target in listed().items():
        path = (ROOT / "producers" / source).resolve()
        assert path.exists() and path.relative_to(ROOT).as_posix() == target


def test_what_the_wheel_imports_and_reads_is_in_it():
    assert missing(set(listed().values()), TREES) == []


@pytest.mark.parametrize("gone", ["producers/texts.py", "producers/bus", "producers/texts.toml"])
def test_a_file_that_the_list_lacks_is_named(gone):
    assert any(gone in line for line in missing({*listed().values()} - {gone}, TREES))
