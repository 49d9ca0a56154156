"""Sketches of texts, by which the index tells how much of two texts is the same. Pure.

A sketch is the lowest hashes of a text's triples of words (bottom-k sketch, Broder 1997): texts
with many triples in common have many low hashes in common.
"""

import zlib
from array import array
from collections.abc import Mapping
from typing import Any

from channels.portal.search.normalize import WORD, normalize_spelling
from contracts.text import nfc

_HASHES = 64
"""Of a sketch; a share of texts that have more triples is off by about 0.06."""
_KEYS = 12
_READ = ("title", "summary", "body")
_WORDS_MIN = 6
"""Texts of fewer words say too little to be compared."""

Sketch = tuple[int, ...]


def sketch_of(data: Mapping[str, Any]) -> Sketch:
    """The sketch of a text, without regard to case and signs; empty for a few words."""
    whole = " ".join(one for name in _READ if isinstance(one := data.get(name), str))
    words = WORD.findall(normalize_spelling(nfc(whole)))
    if len(words) < _WORDS_MIN:
        return ()
    triples = zip(words, words[1:], words[2:], strict=False)
    hashes = {zlib.crc32(f"{one} {two} {three}".encode()) for one, two, three in triples}
    return tuple(sorted(hashes)[:_HASHES])


def keys_of(sketch: Sketch) -> Sketch:
    """The hashes by which an item is found: near texts have some of them in common."""
    return sketch[:_KEYS]


def share(one: Sketch, other: Sketch) -> float:
    """How much of both texts is the same: 0 nothing, 1 all."""
    lowest = sorted({*one, *other})[:_HASHES]
    both = {*one} & {*other}
    return sum(hash in both for hash in lowest) / len(lowest) if lowest else 0.0


def pack(sketch: Sketch) -> bytes:
    return array("I", sketch).tobytes()


def unpack(packed: bytes) -> Sketch:
    return tuple(array("I", packed))
