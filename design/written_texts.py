"""Templates with the texts that they name written into them, where they are compiled.

A page asks for hundreds of texts: looked up, escaped and copied anew each time, they take as much
of a page as what differs from page to page.
"""

from collections.abc import Callable, Mapping
from typing import Any

from jinja2 import Environment, nodes
from jinja2.compiler import CodeGenerator, Frame
from jinja2.visitor import NodeTransformer


class PageEnvironment(Environment):
    """An environment whose templates hold the texts of catalogues that never change.

    `written`: the catalogues, by the names that templates have for them. A template that gives such
    a name to something else of its own looks all up as it is rendered.
    """

    written: Mapping[str, Mapping[str, Any]]

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.written = {}


class _WritingGenerator(CodeGenerator):
    def visit_Template(self, node: nodes.Template, frame: Frame | None = None) -> None:
        assert isinstance(self.environment, PageEnvironment)  # noqa: S101 -- used by no other
        own = {one.name for one in node.find_all(nodes.Name) if one.ctx != "load"}
        catalogs = self.environment.written
        known = {path: one for path, one in catalogs.items() if path.partition(".")[0] not in own}
        super().visit_Template(_TextWriter(self.environment, known).visit(node), frame)


PageEnvironment.code_generator_class = _WritingGenerator


class _TextWriter(NodeTransformer):
    """Puts a text in the place of each path of names that leads to one."""

    def __init__(self, environment: Environment, catalogs: Mapping[str, Mapping[str, Any]]) -> None:
        self._environment, self._catalogs = environment, catalogs

    def visit_Getattr(self, node: nodes.Getattr) -> nodes.Node:
        return self._written(node)

    def visit_Getitem(self, node: nodes.Getitem) -> nodes.Node:
        return self._written(node)

    def _written(self, node: nodes.Getattr | nodes.Getitem) -> nodes.Node:
        found = self._find(node)
        is_text = type(found) is str
        return nodes.Const(found, lineno=node.lineno) if is_text else self.generic_visit(node)

    def _find(self, node: nodes.Node) -> Any:
        """What *node* names in a catalogue; None for anything else."""
        look_up: Callable[[Any, str], Any]
        match node:
            case nodes.Name(name=str(name)):
                return self._catalogs.get(name)
            case nodes.Getattr(node=nodes.Name(name=str(name)), attr=str(key)) if (
                f"{name}.{key}" in self._catalogs
            ):
                return self._catalogs[f"{name}.{key}"]
            case nodes.Getattr(node=inner, attr=str(key)):
                look_up = self._environment.getattr
            case nodes.Getitem(node=inner, arg=nodes.Const(value=str(key))):
                look_up = self._environment.getitem
            case _:
                return None
        whole = self._find(inner)
        return look_up(whole, key) if isinstance(whole, Mapping) else None
