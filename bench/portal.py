"""Portals to measure: many items of a plain length, made from real Vietnamese sentences."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

from bench import letter
from channels.portal.press import Press
from channels.portal.site import Site
from channels.portal.writer import Writer
from contracts.publication import Publication
from contracts.vocabulary import DEFAULT

PUBLIC_URL = "https://thong-bao.moha.example"
BEGIN = datetime(2020, 1, 1, 2, tzinfo=UTC)
BETWEEN = timedelta(minutes=35)
"""100,000 items fill six and a half years."""
UNITS = [name for name, unit in DEFAULT.units.items() if unit.until is None]
SENTENCES = [one.strip() for one in letter.BODY.replace("\n", " ").split(". ") if one.strip()]


def site() -> Site:
    return Site(PUBLIC_URL, DEFAULT)


def an_item(number: int) -> Publication:
    """Always the same for the same number; its words are shuffled, so that searches differ."""
    chance, at = Random(number), BEGIN + number * BETWEEN
    words = " ".join(chance.choices(SENTENCES, k=8)).split()
    chance.shuffle(words)
    return Publication(
        action="published",
        content_id=f"tin-{number}",
        revision=1,
        unit=UNITS[number % len(UNITS)],
        topic=letter.TOPICS[number % len(letter.TOPICS)],
        title=f"{letter.TITLE} số {number}",
        summary=letter.SUMMARY,
        body=" ".join(words),
        first_released_at=at,
        released_at=at,
        event_id=f"{number:026}",
    )


def items(count: int) -> Iterator[Publication]:
    return (an_item(number) for number in range(count))


def folder_of(folder: Path, *, items: int) -> Path:
    """A portal with its newest items; where its files are served from."""
    writer = Writer(folder, Press(site()), patience_s=10.0)
    try:
        writer.prepare()
        writer.take(an_item(number) for number in range(items))
        writer.finish()
    finally:
        writer.close()
    return writer.public
