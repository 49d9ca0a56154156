"""Labels of numbered paragraphs as Word shows them: `1.`, `a)`, `Điều 3.`, `2.1.`."""

import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from producers.word.ooxml import child_value, number, value
from producers.word.package import Element

_NUMBER_MAX = 3000
_PLACE = re.compile(r"%(\d)")
_ROMAN = (
    *((1000, "m"), (900, "cm"), (500, "d"), (400, "cd"), (100, "c"), (90, "xc"), (50, "l")),
    *((40, "xl"), (10, "x"), (9, "ix"), (5, "v"), (4, "iv"), (1, "i")),
)
_UNLABELLED = ("bullet", "none")


@dataclass(frozen=True, slots=True)
class _Level:
    """How one level of a list is numbered."""

    form: str = "decimal"
    text: str = ""
    start: int = 1


Levels = dict[int, _Level]


@dataclass(frozen=True, slots=True)
class Numbering:
    """The lists of a document, and how far each is counted."""

    lists: dict[str, Levels]
    sequences: dict[str, str]
    """By list: the sequence that it counts in; lists of one definition share one."""
    counts: defaultdict[str, dict[int, int]] = field(default_factory=lambda: defaultdict(dict))

    def next_label(self, list_id: str, level: int) -> str:
        """Count one paragraph and return its label; empty for bullets and unknown lists."""
        levels = self.lists.get(list_id, {})
        if level not in levels:
            return ""
        counts = self.counts[self.sequences[list_id]]
        for deeper in [other for other in counts if other > level]:
            del counts[deeper]
        counts[level] = counts.get(level, levels[level].start - 1) + 1
        if levels[level].form in _UNLABELLED:
            return ""
        return _PLACE.sub(
            lambda found: _shown(levels, counts, int(found[1]) - 1), levels[level].text
        )


def read_numbering(roots: Iterable[Element]) -> Numbering:
    """The lists that `numbering.xml` defines."""
    lists: dict[str, Levels] = {}
    sequences: dict[str, str] = {}
    for root in roots:
        definitions = {
            value(node, "abstractNumId"): _levels(node) for node in root.iterfind("{*}abstractNum")
        }
        for node in root.iterfind("{*}num"):
            list_id, definition = value(node, "numId") or "", child_value(node, "abstractNumId")
            starts = _new_starts(node)
            lists[list_id] = _started(definitions.get(definition, {}), starts)
            sequences[list_id] = f"list {list_id}" if starts else f"definition {definition}"
    return Numbering(lists, sequences)


def _levels(definition: Element) -> Levels:
    return {
        number(value(node, "ilvl")): _Level(
            child_value(node, "numFmt") or "decimal",
            child_value(node, "lvlText") or "",
            number(child_value(node, "start"), 1),
        )
        for node in definition.iterfind("{*}lvl")
    }


def _new_starts(node: Element) -> dict[int, int]:
    """The levels that a list begins anew, with their first numbers."""
    starts = {
        number(value(override, "ilvl")): child_value(override, "startOverride")
        for override in node.iterfind("{*}lvlOverride")
    }
    return {level: number(start, 1) for level, start in starts.items() if start is not None}


def _started(levels: Levels, starts: dict[int, int]) -> Levels:
    return {at: replace(level, start=starts.get(at, level.start)) for at, level in levels.items()}


def _shown(levels: Levels, counts: dict[int, int], level: int) -> str:
    """The number of one level in a label."""
    known = levels.get(level, _Level())
    return _format(counts.get(level, known.start), known.form)


def _format(count: int, form: str) -> str:
    if not 0 < count <= _NUMBER_MAX:
        return str(count)
    letters = chr(ord("a") + (count - 1) % 26) * ((count - 1) // 26 + 1)
    forms = {
        "lowerLetter": letters,
        "upperLetter": letters.upper(),
        "lowerRoman": _roman(count),
        "upperRoman": _roman(count).upper(),
        "decimalZero": f"{count:02}",
    }
    return forms.get(form, str(count))


def _roman(count: int) -> str:
    signs = ""
    for size, sign in _ROMAN:
        signs += sign * (count // size)
        count %= size
    return signs
