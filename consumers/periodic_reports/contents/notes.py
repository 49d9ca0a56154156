"""Notes under a table whose figures lack data: one for all that lack the same."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter

from consumers.periodic_reports.contents.texts import Texts
from consumers.periodic_reports.figures import Figure, Figures
from contracts.delivery import ChannelName

_NAMED = 6
"""More parts than these are counted instead of named, and more indicators of one column."""


@dataclass(frozen=True)
class NamedFigure:
    """A figure, with the names of its indicator and of its part."""

    name: str
    part: str
    figure: Figure


def notes(stated: Iterable[NamedFigure], texts: Texts) -> tuple[str, ...]:
    """Notes of missing data, one for figures that lack the same; parts are named unless all do.

    The lack of most of a table comes last, without names: the cells show where.
    """
    stated, words = list(stated), texts["missing"]
    lacks = [(one, lack) for one in stated if (lack := _lack(one.figure, texts))]
    usual = {form: _usual(lacks, form, words) for form in ("marked", "blank")}
    named = [(one, lack) for one, lack in lacks if lack not in usual.values()]
    return (
        *_named_lines(named, _unique(one.part for one in stated), words),
        *_usual_lines(lacks, usual, words),
    )


def _form(figure: Figure) -> str:
    return "blank" if figure.value is None else "marked"


def _usual(lacks: Iterable[tuple[NamedFigure, str]], form: str, words: Texts) -> str:
    """The data that most cells of *form* lack, if they are many; texts sealed earlier name all."""
    found = Counter(lack for one, lack in lacks if _form(one.figure) == form)
    lack, count = max(found.items(), key=itemgetter(1), default=("", 0))
    return lack if count > _NAMED and form in words else ""


def _usual_lines(
    lacks: Sequence[tuple[NamedFigure, str]], usual: Mapping[str, str], words: Texts
) -> Iterator[str]:
    for form, lack in usual.items():
        others = {found for one, found in lacks if _form(one.figure) == form} - {lack}
        if lack:
            yield words[f"other_{form}" if others else form].format(lack=lack)


def _named_lines(
    lacks: Iterable[tuple[NamedFigure, str]], parts: Sequence[str], words: Texts
) -> Iterator[str]:
    lacking: dict[tuple[str, str], list[str]] = {}
    for one, lack in lacks:
        lacking.setdefault((one.name, lack), []).append(one.part)
    names: dict[tuple[str, tuple[str, ...]], list[str]] = {}
    for (name, lack), found in lacking.items():
        where = () if found == parts else tuple(filter(None, found))
        names.setdefault((lack, where), []).append(name)
    for (lack, where), named in names.items():
        part = words["part"].format(parts=_listed(where, "many", words)) if where else ""
        names_text = _listed(named, "many_indicators", words) if where else ", ".join(named)
        yield words["note"].format(names=names_text, part=part, lack=lack)


def coverage(figures: Figures, texts: Texts) -> str:
    """Which days of a span have figures; empty where all have, and in texts sealed earlier."""
    counted, days = figures.counted_days(), len(figures.span.days())
    words = texts.get("coverage", {})
    if len(counted) == days or not words:
        return ""
    if not counted:
        return str(words["none"])
    first = f"{min(counted):%d/%m/%Y}"
    return str(words["part"].format(first=first, missing=days - len(counted), days=days))


def absent_channels(figures: Figures, known: Iterable[str], texts: Texts) -> Iterator[str]:
    """A line for the channels that a table lacks on the days whose deliveries were counted."""
    absent = [texts["channels"][one] for one in ChannelName if one not in {*known}]
    is_counted = bool(figures.counted_days(["deliveries"]))
    if absent and is_counted and (text := texts["missing"].get("absent_channel")):
        yield text.format(channels=", ".join(absent))


def _listed(names: Sequence[str], form: str, words: Texts) -> str:
    """*names*, or how many they are; texts that were sealed earlier have no *form* for that."""
    if len(names) > _NAMED and form in words:
        return str(words[form].format(count=len(names)))
    return ", ".join(names)


def _lack(figure: Figure, texts: Texts) -> str:
    """The data that a figure lacks, and why; empty for a whole one."""
    words = texts["missing"]
    if figure.value is None:
        reasons = words["reasons"]
        reason = reasons.get(figure.reason) or reasons["unknown"].format(code=figure.reason)
        return str(words["none"].format(text=words["text"], reason=reason))
    return str(words["short"].format(days=figure.missing_days)) if figure.missing_days else ""


def _unique(words: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(words))
