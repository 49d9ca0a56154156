"""A document before mammoth reads it: hidden words out, labels of lists and fields as words.

mammoth shows hidden words, forgets how a list is numbered, and passes over what it does not know.
"""

from collections.abc import Iterable, Iterator

from lxml import etree

from producers.html_to_markdown import Loss, Losses
from producers.html_to_markdown.labels import LABEL_MARKS, mark_label
from producers.word.numbering import read_numbering
from producers.word.ooxml import child, child_value, is_on, number, value
from producers.word.package import Element, Parts, by_root
from producers.word.unread import open_unread, unknown_symbols

_BODIES = ("document", "footnotes", "endnotes")
_UNREADABLE = {
    "oMath": Loss.EQUATION,
    "chart": Loss.CHART,
    "relIds": Loss.CHART,
    "object": Loss.EMBEDDED_OBJECT,
    "altChunk": Loss.EMBEDDED_OBJECT,
}
"""Elements that mammoth leaves out, by local name; a diagram counts as a chart."""
_STYLES_MAX = 20
"""How many styles one may be based on."""


def prepare(parts: Parts) -> Losses:
    """Change the parts in place; returns what the document loses already here."""
    losses: Losses = Losses()
    _complete_styles(by_root(parts, "styles"))
    styles = _hidden_styles(by_root(parts, "styles"))
    for root in by_root(parts, *_BODIES):
        _drop_label_marks(root)
        losses[Loss.HIDDEN_TEXT] += _drop_hidden(root, styles)
        for name, loss in _UNREADABLE.items():
            losses[loss] += sum(1 for _ in root.iter(f"{{*}}{name}"))
        losses[Loss.SYMBOL] += unknown_symbols(root)
        open_unread(root)
    _write_labels(parts)
    return losses


def _complete_styles(roots: Iterable[Element]) -> None:
    """Drop styles without an id, and name the type of others: mammoth stops without them."""
    for style in [style for root in roots for style in root.iter("{*}style")]:
        parent = style.getparent()
        if value(style, "styleId") is None and parent is not None:
            parent.remove(style)
        elif value(style, "type") is None:
            style.set(f"{{{etree.QName(style).namespace}}}type", "paragraph")


def _drop_label_marks(root: Element) -> None:
    for text in root.iter("{*}t"):
        text.text = (text.text or "").translate(LABEL_MARKS)


def _drop_hidden(root: Element, styles: frozenset[str]) -> int:
    """Remove hidden runs; returns how many had words."""
    hidden = [run for run in root.iter("{*}r") if _is_hidden(run, styles)]
    for run in hidden:
        parent = run.getparent()
        if parent is not None:
            parent.remove(run)
    return sum(1 for run in hidden if any(text.text for text in run.iter("{*}t")))


def _is_hidden(run: Element, styles: frozenset[str]) -> bool:
    """Whether the run itself, its style or its paragraph's style hides it; the nearest decides."""
    own = is_on(child(run, "rPr", "vanish"))
    if own is not None:
        return own
    if child_value(run, "rPr", "rStyle") in styles:
        return True
    paragraph = next(run.iterancestors("{*}p"), None)
    return paragraph is not None and child_value(paragraph, "pPr", "pStyle") in styles


def _hidden_styles(roots: Iterable[Element]) -> frozenset[str]:
    """The styles that hide words, by themselves or through the style that they are based on."""
    styles = {
        value(style, "styleId") or "": style for root in roots for style in root.iter("{*}style")
    }
    return frozenset(name for name in styles if _hides(name, styles))


def _hides(name: str, styles: dict[str, Element]) -> bool:
    for _ in range(_STYLES_MAX):
        if name not in styles:
            return False
        own = is_on(child(styles[name], "rPr", "vanish"))
        if own is not None:
            return own
        name = child_value(styles[name], "basedOn") or ""
    return False


def _write_labels(parts: Parts) -> None:
    numbering = read_numbering(by_root(parts, "numbering"))
    for root in by_root(parts, "document"):
        for properties, list_id, level in _numbered(root):
            if label := numbering.next_label(list_id, level):
                properties.addnext(_run(properties, mark_label(label)))


def _numbered(root: Element) -> Iterator[tuple[Element, str, int]]:
    """The properties, list and level of each numbered paragraph."""
    for properties in list(root.iter("{*}pPr")):
        list_id = child_value(properties, "numPr", "numId")
        if list_id is not None:
            yield properties, list_id, number(child_value(properties, "numPr", "ilvl"))


def _run(beside: Element, words: str) -> Element:
    namespace = etree.QName(beside).namespace
    run = etree.Element(f"{{{namespace}}}r")
    text = etree.SubElement(run, f"{{{namespace}}}t")
    text.text = words
    return run
