"""What is said under a table of figures that lack data: once for all that lack the same."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from consumers.periodic_reports.contents.texts import Texts
from consumers.periodic_reports.figures import Figure

_NAMED = 6
"""More parts than these are counted instead of named, and more indicators of one column."""


@dataclass(frozen=True)
class Stated:
    """A figure, with the names of its indicator and of its part."""

    name: str
    part: str
    figure: Figure


def notes(stated: Iterable[Stated], texts: Texts) -> tuple[str, ...]:
    """A line for each set of figures that lack the same; parts are named unless all lack it."""
    stated = list(stated)
    parts = _unique(one.part for one in stated)
    lacks: dict[tuple[str, str], list[str]] = {}
    for one in stated:
        if lack := _lack(one.figure, texts):
            lacks.setdefault((one.name, lack), []).append(one.part)
    names: dict[tuple[str, tuple[str, ...]], list[str]] = {}
    for (name, lack), lacking in lacks.items():
        where = () if lacking == parts else tuple(filter(None, lacking))
        names.setdefault((lack, where), []).append(name)
    return tuple(_lines(names, texts))


def _lines(names: dict[tuple[str, tuple[str, ...]], list[str]], texts: Texts) -> Iterator[str]:
    words = texts["missing"]
    for (lack, where), found in names.items():
        part = words["part"].format(parts=_listed(where, "many", words)) if where else ""
        names_text = _listed(found, "many_indicators", words) if where else ", ".join(found)
        yield words["note"].format(names=names_text, part=part, lack=lack)


def _listed(names: Sequence[str], form: str, words: Texts) -> str:
    """*names*, or how many they are; texts that were sealed earlier have no *form* for that."""
    if len(names) > _NAMED and form in words:
        return str(words[form].format(count=len(names)))
    return ", ".join(names)


def _lack(figure: Figure, texts: Texts) -> str:
    """What a figure lacks, and why; empty for a whole one."""
    words = texts["missing"]
    if figure.value is None:
        reasons = words["reasons"]
        reason = reasons.get(figure.reason) or reasons["unknown"].format(code=figure.reason)
        return str(words["none"].format(text=words["text"], reason=reason))
    return str(words["short"].format(days=figure.missing_days)) if figure.missing_days else ""


def _unique(words: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(words))
