"""One pass over an XML part: no declarations, bounded depth, each element shown to a check."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from xml.parsers import expat

from consumers.uploads.file_checks.errors import FileRefused
from consumers.uploads.file_checks.limits import DEPTH_MAX

Attributes = Mapping[str, str]
OnElement = Callable[[str, Attributes], None]
"""Called with the local name of an element, and its attributes by their local names."""
OnText = Callable[[str, str], None]
"""Called with the local name of an element, and a piece of the text in it."""


def scan_xml(content: bytes, on_element: OnElement, on_text: OnText | None = None) -> None:
    """Raises FileRefused, also what *on_element* raises."""
    try:
        _Scan(on_element, on_text).run(content)
    except expat.ExpatError as broken:
        raise FileRefused("package_broken") from broken


@dataclass
class _Scan:
    on_element: OnElement
    on_text: OnText | None

    def run(self, content: bytes) -> None:
        self.open: list[str] = []
        parser = expat.ParserCreate(namespace_separator=" ")
        parser.StartDoctypeDeclHandler = self._on_doctype
        parser.StartElementHandler = self._on_start
        parser.EndElementHandler = self._on_end
        if self.on_text:
            parser.CharacterDataHandler = self._on_characters
        parser.Parse(content, True)

    def _on_doctype(self, *_: object) -> None:
        raise FileRefused("package_entities")

    def _on_start(self, name: str, attributes: Attributes) -> None:
        local = _local(name)
        self.open.append(local)
        if len(self.open) > DEPTH_MAX:
            raise FileRefused("package_nested", max=DEPTH_MAX)
        self.on_element(local, {_local(key): value for key, value in attributes.items()})

    def _on_end(self, _name: str) -> None:
        self.open.pop()

    def _on_characters(self, characters: str) -> None:
        if self.on_text and self.open:
            self.on_text(self.open[-1], characters)


def _local(name: str) -> str:
    return name.rpartition(" ")[2]
