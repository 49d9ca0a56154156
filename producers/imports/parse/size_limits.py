"""Limits checked before parsing: feedparser is slow on documents made to hurt it.

One pass, linear in the length. Examples: a hundred thousand attributes, or deeply nested
elements.
"""

import re
from collections.abc import Iterator

_MAX_TAG_LENGTH = 10_000
_MAX_TAGS = 200_000
_MAX_OPEN_TAGS = 20_000
_MAX_ENTRIES = 5_000

_ASIDE = re.compile(r"<!--|<!\[CDATA\[")
_ENDS = {"<!--": "-->", "<![CDATA[": "]]>"}
_BEGIN = re.compile("<[A-Za-z_/?!]")
_ENTRY = re.compile(r"<(?:\w{1,20}:)?(?:item|entry)[\s>]")


def exceeds_limits(text: str) -> bool:
    """Whether *text* exceeds the limits of tags, nesting or entries."""
    tags = opened = entries = 0
    for piece in _without_comments(text):
        entries += len(_ENTRY.findall(piece))
        for chunk in piece.split(">"):
            begin = _BEGIN.search(chunk)
            if begin is None:
                continue
            tags += 1
            opened += _depth_change(chunk, begin.start())
            if len(chunk) - begin.start() > _MAX_TAG_LENGTH or opened > _MAX_OPEN_TAGS:
                return True
    return tags > _MAX_TAGS or entries > _MAX_ENTRIES


def _depth_change(chunk: str, begin: int) -> int:
    """Change of the number of open elements by a tag."""
    if chunk[begin + 1] == "/":
        return -1
    return 0 if chunk[begin + 1] in "?!" or chunk.endswith("/") else chunk.count("<", begin)


def _without_comments(text: str) -> Iterator[str]:
    """*text* without comments and CDATA sections, whichever begins first."""
    at = 0
    while aside := _ASIDE.search(text, at):
        end = text.find(_ENDS[aside[0]], aside.end())
        if end < 0:
            break
        yield text[at : aside.start()]
        at = end + 3
    yield text[at:]
