"""The repository's source files, read once for all rules."""

import ast
from functools import cache

from tests.support.repository import ROOT

PRODUCT = ("contracts", "design", "channels", "producers", "consumers")
PACKAGES = (*PRODUCT, "sandbox")
CLIENTS = ("clients/python",)
"""Folders of what other systems install."""
FILES = sorted(path for folder in (*PACKAGES, *CLIENTS) for path in (ROOT / folder).rglob("*.py"))
SOURCES = {path.relative_to(ROOT).as_posix(): path.read_text("utf-8") for path in FILES}
TREES = {module: ast.parse(text) for module, text in SOURCES.items()}


@cache
def all_trees() -> dict[str, ast.Module]:
    """The product, its tests, the bench and the examples."""
    files = {path.relative_to(ROOT).as_posix(): path for path in ROOT.glob("[!.]*/**/*.py")}
    others = files.keys() - TREES.keys()
    return TREES | {name: ast.parse(files[name].read_text("utf-8")) for name in sorted(others)}


def nodes(*kinds: type[ast.AST], trees: dict[str, ast.Module] = TREES) -> list[tuple[str, ast.AST]]:
    """Every node of these kinds, with its module."""
    return [
        (module, node)
        for module, tree in trees.items()
        for node in ast.walk(tree)
        if isinstance(node, kinds)
    ]
