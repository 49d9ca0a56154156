"""Templates read texts, not the methods of their table: `texts.title.keys` is `dict.keys`."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from jinja2 import Environment, nodes

METHODS = {name for name in dir(dict) if not name.startswith("_")}
PRODUCT = ("channels", "design", "producers", "sandbox")


def methods_of_texts(template: str) -> Iterator[str]:
    """Attributes of `texts`, at any depth, that are methods of a table, and are not called."""
    tree = Environment().parse(template)
    called = {id(call.node) for call in tree.find_all(nodes.Call)}
    for node in tree.find_all(nodes.Getattr):
        inner = node.node
        while isinstance(inner, nodes.Getattr):
            inner = inner.node
        is_text = isinstance(inner, nodes.Name) and inner.name == "texts"
        if is_text and id(node) not in called and node.attr in METHODS:
            yield node.attr


@pytest.mark.parametrize("package", PRODUCT)
def test_no_template_shows_a_method_in_place_of_a_text(request, package):
    files = [*Path(request.config.rootpath, package).rglob("*.html")]
    assert files
    assert {one: found for one in files if (found := [*methods_of_texts(one.read_text())])} == {}


def test_the_check_finds_one():
    template = "{{ texts.title.keys }} {{ texts['keys'] }} {{ x.keys }} {{ texts.a.items() }}"
    assert [*methods_of_texts(template)] == ["keys"]
