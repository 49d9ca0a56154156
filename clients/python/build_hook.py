"""Build hook of the wheel `loa-client`: Loa's own modules as one package, `loa_client`."""

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from itertools import accumulate, pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

_PACKAGE = "loa_client"
_RENAMED = ("contracts", "producers")
"""The packages whose modules are those of `loa_client` in the wheel."""
_HERE = Path(__file__).parent
_ROOT = _HERE.parents[1]
_FOLDERS = (*_RENAMED, f"clients/python/{_PACKAGE}")
_LIST = _HERE / "files.txt"
_TEXTS = (tokenize.STRING, getattr(tokenize, "FSTRING_MIDDLE", None))
"""The tokens with text; from Python 3.12 on an f-string has several."""
_LOGGER = {
    "import structlog": f"from {_PACKAGE}.logger import get_logger",
    "log = structlog.get_logger()": "log = get_logger()",
}
"""The lines of a module that logs, and those of the wheel in their place."""
_DOTTED = re.compile(rf"\b(?:{'|'.join(_RENAMED)})((?:\.\w+)+)")


def listed() -> list[str]:
    """Files that the wheel is made of, relative to the repository."""
    return _LIST.read_text("utf-8").split()


def name_in_wheel(file: str) -> str:
    """Path in the wheel of a listed *file*. Raises StopIteration for one of another folder."""
    folder = next(folder for folder in _FOLDERS if file.startswith(f"{folder}/"))
    return _PACKAGE + file.removeprefix(folder)


def rename(source: str, modules: frozenset[str]) -> str:
    """*source* with the names of *modules* as the wheel has them.

    Imports are renamed, and dotted names of *modules* in texts. Raises ValueError for one that is
    written in another way.
    """
    pieces, done = [], 0
    for begin, end, text in _changes(source, modules):
        pieces += (source[done:begin], text)
        done = end
    renamed = "".join((*pieces, source[done:]))
    if left := sorted({name for name in _names(ast.parse(renamed)) if _module(name) in modules}):
        raise ValueError(
            f"can't rename {', '.join(left)}: write `from ... import` at a line's start"
        )
    return renamed


def shipped(source: str, modules: frozenset[str]) -> str:
    """*source* as the wheel has it: renamed, and with the client's own logger."""
    source = rename(source, modules)
    if _LOGGER.keys() <= set(source.splitlines()):
        for line, own in _LOGGER.items():
            source = source.replace(f"{line}\n", f"{own}\n", 1)
    return source


def _changes(source: str, modules: frozenset[str]) -> Iterator[tuple[int, int, str]]:
    """Where a text begins and ends, and the one in its place."""
    lines = [0, *accumulate(map(len, io.StringIO(source)))]
    tokens = tokenize.tokenize(io.BytesIO(source.encode()).readline)  # the first is the encoding
    for before, token in pairwise(tokens):
        begin = lines[token.start[0] - 1] + token.start[1]
        if token.type in _TEXTS:
            end = begin + len(token.string)  # where braces are doubled, `token.end` is another
            yield begin, end, _DOTTED.sub(lambda name: _renamed(name, modules), source[begin:end])
        elif token.string in _RENAMED and _begins_import(before):
            yield begin, begin + len(token.string), _PACKAGE


def _begins_import(token: tokenize.TokenInfo) -> bool:
    return token.string == "from" and not token.line[: token.start[1]].strip()


def _renamed(name: re.Match[str], modules: frozenset[str]) -> str:
    return _PACKAGE + name[1] if _module(name[0]) in modules else name[0]


def _module(name: str) -> str:
    """The module or package right below the root that a dotted *name* is in."""
    return ".".join(name.split(".")[:2])


def _names(tree: ast.Module) -> Iterator[str]:
    """Dotted names of imports, and of texts that are nothing else."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value if "." in node.value else ""


def modules_of(files: list[str]) -> frozenset[str]:
    """Modules and packages right below the renamed roots, and these themselves."""
    parts = (Path(file).parts for file in files if file.endswith(".py"))
    below = {f"{root}.{name.removesuffix('.py')}" for root, name, *_ in parts if root in _RENAMED}
    return frozenset({*_RENAMED, *below})


class ClientHook(BuildHookInterface[Any]):
    """Puts the listed files into the wheel, modules with their imports renamed."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002
        self._folder = TemporaryDirectory()
        files = listed()
        modules = modules_of(files)
        for file in files:
            source, target = _ROOT / file, name_in_wheel(file)
            if source.suffix == ".py":
                source = self._write(target, shipped(source.read_text("utf-8"), modules))
            build_data["force_include"][str(source)] = target

    def _write(self, name: str, text: str) -> Path:
        path = Path(self._folder.name) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
        return path

    def finalize(self, *_: object) -> None:
        self._folder.cleanup()
