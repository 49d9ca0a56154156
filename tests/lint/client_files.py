"""List of the files of `loa-client`: `python -m tests.lint.client_files` writes it.

The modules that the public ones import, those in functions too, and the data that they read.
"""

import ast
from collections.abc import Iterator
from pathlib import PurePosixPath

from tests.lint.sources import ROOT, TREES

FOLDER = "clients/python"
LIST = ROOT / FOLDER / "files.txt"
PUBLIC = (
    *sorted(file for file in TREES if file.startswith(f"{FOLDER}/loa_client/")),
    "contracts/publication.py",
    "contracts/testing/plugin.py",
    "producers/cli.py",
)
"""The client's own modules, and those that nothing of the client imports."""
DATA = (
    f"{FOLDER}/loa_client/py.typed",
    "contracts/retention.toml",
    *sorted(
        path.relative_to(ROOT).as_posix()
        for folder in ("schemas", "testing/samples")
        for path in (ROOT / "contracts" / folder).glob("*.json")
    ),
)
"""Files that modules find in another way than by a name beside them."""
_PACKAGES = {"contracts", "design", "channels", "producers", "consumers", "sandbox", "loa_client"}


def needed() -> list[str]:
    """All files of the wheel, sorted."""
    found, left = set(DATA), list(PUBLIC)
    while left:
        if (file := left.pop()) not in found:
            found.add(file)
            left += [*imported(file), *_packages_above(file)]
            found |= set(read_files(file))
    return sorted(found)


def imported(file: str) -> Iterator[str]:
    """The files of our modules that *file* imports, at its top and in functions."""
    for node in ast.walk(TREES[file]):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        else:
            continue
        yield from (file for name in names if (file := _module_file(name)))


def _module_file(name: str) -> str:
    """The file of a module of ours; empty for others, for what a module defines, and for a root."""
    first, *rest = name.split(".")
    if first not in _PACKAGES or not rest:
        return ""
    folder = f"{FOLDER}/{first}" if first == "loa_client" else first
    path = PurePosixPath(folder, *rest)
    return next((file for file in (f"{path}.py", f"{path}/__init__.py") if file in TREES), "")


def _packages_above(file: str) -> Iterator[str]:
    """The files of the packages that *file* is in; a root is `loa_client` itself."""
    for folder in PurePosixPath(file).parents:
        package = f"{folder}/__init__.py"
        if package in TREES and len(folder.parts) > 1:
            yield package


def read_files(file: str) -> Iterator[str]:
    """Data files that lie beside a module, and that it names."""
    folder = PurePosixPath(file).parent
    texts = (str(node.value) for node in ast.walk(TREES[file]) if isinstance(node, ast.Constant))
    names = (text for text in texts if text.endswith((".toml", ".json")))
    return (str(folder / name) for name in names if (ROOT / folder / name).is_file())


if __name__ == "__main__":
    LIST.write_text("".join(f"{file}\n" for file in needed()))
