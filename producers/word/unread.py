"""Words in elements that mammoth passes over, put where it reads them."""

from lxml import etree
from mammoth.docx.dingbats import dingbats

from producers.word.ooxml import value
from producers.word.package import Element

_READ = frozenset(
    {
        *("document", "body", "footnotes", "footnote", "endnotes", "endnote"),
        *("p", "r", "t", "tbl", "tr", "tc", "hyperlink", "sdt", "sdtContent", "customXml"),
        *("smartTag", "ins", "moveTo", "AlternateContent", "Fallback", "object", "drawing"),
        *("pict", "group", "rect", "roundrect", "shape", "textbox", "txbxContent"),
    }
)
"""Elements whose words mammoth reads, by local name."""
_NOT_SAID = frozenset({"oMath", "del", "moveFrom", "Choice"})
"""Elements whose words are told as lost, deleted, or said again in another form."""
_PRIVATE_USE, _BYTE = 0xF000, 0xFF


def open_unread(root: Element) -> None:
    """Put the content of elements that mammoth does not know in their place.

    What remains are the words: of WordArt, of text with a direction, of a phonetic guide.
    """
    for field in list(root.iter("{*}fldSimple")):
        _spell_out(field)
    for path in root.iter("{*}textpath"):
        _write_out(path, etree.QName(root).namespace or "")
    for element in _unread(root):
        _open(element)


def _open(element: Element) -> None:
    for part in list(element):
        element.addprevious(part)
    if (parent := element.getparent()) is not None:
        parent.remove(element)


def _write_out(path: Element, namespace: str) -> None:
    """Write the words of WordArt as those of a text box."""
    if words := value(path, "string"):
        inner = path
        for name in ("txbxContent", "p", "r", "t"):
            inner = etree.SubElement(inner, f"{{{namespace}}}{name}")
        inner.text = words


def _unread(root: Element) -> list[Element]:
    """The elements to open, each once."""
    found: dict[Element, None] = {}
    for text in root.iter(f"{{{etree.QName(root).namespace}}}t"):
        above = {one: etree.QName(one).localname for one in text.iterancestors()}
        if _NOT_SAID.isdisjoint(above.values()):
            found |= dict.fromkeys(one for one, name in above.items() if name not in _READ)
    return list(found)


def _spell_out(field: Element) -> None:
    """Write a simple field as one of several runs, whose links mammoth reads."""
    runs = _field_runs(etree.QName(field).namespace or "", value(field, "instr") or "")
    for at, run in enumerate(runs[:3]):
        field.insert(at, run)
    field.append(runs[3])
    _open(field)


def _field_runs(namespace: str, instruction: str) -> list[Element]:
    runs = []
    for kind in ("begin", "", "separate", "end"):
        run = etree.Element(f"{{{namespace}}}r")
        part = etree.SubElement(run, f"{{{namespace}}}{'fldChar' if kind else 'instrText'}")
        if kind:
            part.set(f"{{{namespace}}}fldCharType", kind)
        else:
            part.text = instruction
        runs.append(run)
    return runs


def unknown_symbols(root: Element) -> int:
    """How many characters of symbol fonts mammoth leaves out."""
    return sum(not _is_known(value(one, "font"), value(one, "char")) for one in root.iter("{*}sym"))


def _is_known(font: str | None, char: str | None) -> bool:
    try:
        code = int(char or "", 16)
    except ValueError:
        return False
    codes = {code, code & _BYTE} if code & ~_BYTE == _PRIVATE_USE else {code}
    return any((font, one) in dingbats for one in codes)
