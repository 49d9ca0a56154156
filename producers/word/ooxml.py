"""Reading of WordprocessingML: names in the transitional and in the strict namespace."""

from lxml import etree

from producers.word.package import Element


def value(node: Element | None, name: str = "val") -> str | None:
    """An attribute by its local name."""
    if node is None:
        return None
    for key, given in node.attrib.items():
        if etree.QName(str(key)).localname == name:
            return str(given)
    return None


def child(node: Element, *path: str) -> Element | None:
    """The first element below *node* along a path of local names."""
    return node.find("/".join(f"{{*}}{name}" for name in path))


def child_value(node: Element, *path: str) -> str | None:
    return value(child(node, *path))


def is_on(node: Element | None) -> bool | None:
    """A switch such as `w:vanish`; None where it is not set."""
    return None if node is None else value(node) not in ("0", "false", "off")


def number(text: str | None, default: int = 0) -> int:
    """A whole number of few digits."""
    is_number = text is not None and text.isdecimal() and len(text) < 9
    return int(text or 0) if is_number else default
