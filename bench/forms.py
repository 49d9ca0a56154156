"""Fields that a browser sends of a page's form, as the page fills it in."""

from html.parser import HTMLParser

_NOT_TYPED = ("submit", "button", "file", "reset")


def form_fields(page: str, action: str) -> dict[str, list[str]]:
    """The fields of the form that goes to *action*, by name; empty without such a form."""
    reader = _FormReader(action)
    reader.feed(page)
    reader.close()
    return reader.fields


class _FormReader(HTMLParser):
    def __init__(self, action: str) -> None:
        super().__init__()
        self.action = action
        self.fields: dict[str, list[str]] = {}
        self._is_inside = False
        self._long = self._choice = ""

    def handle_starttag(self, tag: str, given: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in given}
        if tag == "form":
            self._is_inside = found.get("action") == self.action
        elif self._is_inside:
            self._read(tag, found)

    def handle_endtag(self, tag: str) -> None:
        self._is_inside = self._is_inside and tag != "form"
        self._long = "" if tag == "textarea" else self._long

    def handle_data(self, text: str) -> None:
        if self._long:
            self.fields[self._long] = [self.fields[self._long][0] + text]

    def _read(self, tag: str, found: dict[str, str]) -> None:
        name = found.get("name", "")
        if tag == "textarea":
            self._long = name
            self.fields[name] = [""]
        elif tag == "select":
            self._choice = name
        elif tag == "option" and "selected" in found:
            self.fields[self._choice] = [found.get("value", "")]
        elif tag == "input" and name and _is_sent(found):
            self.fields.setdefault(name, []).append(found.get("value", ""))


def _is_sent(found: dict[str, str]) -> bool:
    kind = found.get("type", "text")
    if kind in ("checkbox", "radio"):
        return "checked" in found
    return kind not in _NOT_TYPED
