"""The size that a Markdown text can take when it is shown: counted, not rendered.

A few characters can ask for many: a reference repeats its address with each use, a table fills
each row up to its header, a quotation indents each line. `rendered_size` counts what each of them
costs at most, in pages, feeds, mails (with the styles set on their elements) and plain text. It
looks at each character a fixed number of times, for any text.
"""

import re
from collections.abc import Iterable, Iterator
from itertools import chain, islice

RENDERED_MAX = 512 * 1024
"""Limit of a rendered body in bytes. A text of 100,000 characters without Markdown fits, even if
each of them is escaped: `&` becomes five bytes."""

_LINE = 16  # a paragraph or a row
_CHARACTERS = {"&": 4, "<": 3, ">": 3, '"': 5, "\u00a0": 4, "\t": 3, "\n": _LINE}
"""Bytes beyond a character's own: escapes, and tabs as spaces."""
_EMPHASIS = {"*": 5, "_": 5, "`": 75}
"""Bytes of half a pair of tags; in mails, code brings its list of fonts."""
_MARKER = 110  # a quotation, or a list with one item
_HEADING = 85  # also a rule
_CODE_BLOCK = 400
_TABLE = 300
_HEADER_CELL, _CELL = 170, 130
_LINK = 90
_BASE_URL = 160
"""Addition that makes a relative address absolute: the portal's, up to 80 characters, and an id."""
_SHOWN = 2
"""An address stands in a link's attribute, and as its text where it has no other."""
_MARGIN_MAX = 40
_MARGIN_GROWTH = 3
"""A line that continues a quotation or list item is indented; `1.` may become `10000. `."""

_CONTAINERS = re.compile(
    r"^[ \t]*(?:(?:>|[-+*](?=[ \t]|$)|\d{1,9}[.)](?=[ \t]|$))[ \t]*)*", re.MULTILINE
)
_ONE_MARKER = re.compile(r">|[-+*]|\d+[.)]")
_BLANK_LINE = re.compile(r"\n[ \t]*\n")
_HASHES, _UNDERLINE = re.compile("#+"), re.compile(r"[-=*_][ \t]*$", re.MULTILINE)
_INDENTED = re.compile(r"^(?: {0,3}\t|[ \t>+*\d.)-]*?(?: {4}|\t[ \t]|  \t))", re.MULTILINE)
_DELIMITERS = "-:| \t"
_BEFORE_TABLE = ">+*0123456789.)"
_GAP = r"[ \t]*(\n[ \t>]*)?"
_ANGLE = r"<(?:\\.|[^<>\n\\])*>"
_WORD = re.compile(r"[^\x00-\x20\x7f]*")
_IN_ANGLES = re.compile(_ANGLE)
_INLINE_LINK = re.compile(rf"\]\({_GAP}({_ANGLE}|{_WORD.pattern})")
_ABSOLUTE = re.compile(r"\]\([ \t\n]*<?https?://", re.IGNORECASE)
_IN_BRACKETS = re.compile(r"<([^<>\x00-\x20]*)>")
_DEFINITION = re.compile(rf"\]:{_GAP}")
_TITLE = re.compile(
    rf"{_GAP}(?:\"(?:\\.|[^\"\\])*\"|'(?:\\.|[^'\\])*'|\((?:\\.|[^()\\])*\))", re.DOTALL
)
_SAFE_IN_URL = str.maketrans(
    "", "", "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~:/?#@!$'()*+,;="
)


def rendered_size(markdown: str) -> int:
    """The most bytes that *markdown* can take, as HTML or as text of any channel.

    Counting ends where the limit is passed, the cheap parts first.
    """
    size = 0
    for count in _PARTS:
        size += count(markdown)
        if size > RENDERED_MAX:
            break
    return size


def _characters_size(markdown: str) -> int:
    weights = (_CHARACTERS | _EMPHASIS).items()
    return (
        _LINE + len(markdown.encode()) + sum(markdown.count(sign) * size for sign, size in weights)
    )


def _leaves_size(markdown: str) -> int:
    """Headings, rules and code blocks."""
    headings = len(_HASHES.findall(markdown)) + len(_UNDERLINE.findall(markdown))
    fences = markdown.count("```") + markdown.count("~~~")
    return headings * _HEADING + (fences + len(_INDENTED.findall(markdown))) * _CODE_BLOCK


def _containers_size(markdown: str) -> int:
    """Quotations and lists: their tags, and the margins of their lines in plain text."""
    tags, margins = 0, 0
    for block in _BLANK_LINE.split(markdown):
        prefixes = _CONTAINERS.findall(block)
        markers = _count_markers(prefixes)
        tags += markers * _MARKER
        if tags > RENDERED_MAX:
            break
        widest = max(len(prefix.expandtabs(4)) for prefix in prefixes)
        lines = len(prefixes) + markers + block.count("&")  # `&#10;` begins a line, too
        width = min(widest, _MARGIN_MAX) * _MARGIN_GROWTH
        margins += lines * width * (2 if ">" in block else 1)  # a quotation's blank lines
    return tags + margins if tags else 0


def _count_markers(prefixes: Iterable[str]) -> int:
    """The markers of a block's lines, or as many as are beyond the limit."""
    found = chain.from_iterable(map(_ONE_MARKER.finditer, filter(str.strip, prefixes)))
    return sum(1 for _ in islice(found, RENDERED_MAX // _MARKER + 1))


def _tables_size(markdown: str) -> int:
    if "|" not in markdown:
        return 0
    return sum(map(_rows_size, _BLANK_LINE.split(markdown)))


def _rows_size(block: str) -> int:
    """Tables of a block without blank lines: each row is as wide as the widest header so far."""
    size = columns = 0
    for line in block.split("\n"):
        delimiters = line[len(line.rstrip(_DELIMITERS)) :]
        if "-" in delimiters and not line.strip(_DELIMITERS + _BEFORE_TABLE):
            width = delimiters.count("|") + 1
            size += _TABLE + width * _HEADER_CELL
            columns = max(columns, width)
        size += columns * _CELL
    return size


def _inline_links_size(markdown: str) -> int:
    """Links and pictures with their address beside them, and addresses in angle brackets."""
    links = markdown.count("](")
    relative = links - len(_ABSOLUTE.findall(markdown))
    addresses = ["".join(found) for found in _INLINE_LINK.findall(markdown)]
    autolinks = [one for one in _IN_BRACKETS.findall(markdown) if ":" in one or "@" in one]
    addresses += autolinks
    return (
        (links + len(autolinks)) * _LINK
        + _SHOWN * relative * _BASE_URL
        + _SHOWN * sum(map(_url_size, addresses))
    )


def _references_size(markdown: str) -> int:
    """References: each closing bracket may be a use of the longest definition."""
    if "]:" not in markdown:
        return 0
    uses = markdown.count("]")
    size = base = uses * (_LINK + _SHOWN * _BASE_URL)
    definitions = _definition_sizes(markdown)
    while size <= RENDERED_MAX and (address := next(definitions, None)) is not None:
        size = max(size, base + uses * _SHOWN * address)
    return size


def _definition_sizes(markdown: str) -> Iterator[int]:
    """Sizes of addresses with their titles, of all that may be definitions.

    Of several in one word, the first is the longest.
    """
    word_end = 0
    for mark in _DEFINITION.finditer(markdown):
        begin = mark.start(1) if mark[1] else mark.end()
        if markdown.startswith("<", mark.end()):
            found = _IN_ANGLES.match(markdown, mark.end())
        elif begin >= word_end:
            found = _WORD.match(markdown, mark.end())
            word_end = found.end() if found else word_end
        else:
            found = None
        if found:
            title = _TITLE.match(markdown, found.end())
            end = title.end() if title else found.end()
            yield _url_size(markdown[begin:end])


def _url_size(address: str) -> int:
    """An address, percent-encoded and escaped."""
    return len(address) + 5 * len(address.translate(_SAFE_IN_URL).encode())


_PARTS = (
    _characters_size,
    _leaves_size,
    _inline_links_size,
    _references_size,
    _tables_size,
    _containers_size,
)
