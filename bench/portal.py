"""Portals to measure: many items of a plain length, made from real Vietnamese sentences."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

from bench import letter
from channels.portal.model.site import Site
from channels.portal.render.site_files import SiteFiles
from channels.portal.search.index import DocumentFacts, SearchDocument, SearchIndex
from channels.portal.writer.rebuild import open_rebuild
from contracts.publication import Publication
from contracts.vocabulary import DEFAULT

PUBLIC_URL = "https://thong-bao.moha.example"
BEGIN = datetime(2020, 1, 1, 2, tzinfo=UTC)
BETWEEN = timedelta(minutes=35)
"""100,000 items fill six and a half years."""
UNITS = [name for name, unit in DEFAULT.units.items() if unit.until is None]
NAMES = [*(one.name for one in DEFAULT.units.values()), *(t.name for t in DEFAULT.topics.values())]
SENTENCES = [letter.BODY, letter.SUMMARY, letter.TITLE, *(f"{name} hướng dẫn." for name in NAMES)]
CHUNK = 1000


def site() -> Site:
    return Site(PUBLIC_URL, DEFAULT)


def an_item(number: int) -> Publication:
    """Always the same for the same number: some sentences, with the names of units and topics."""
    chance, at = Random(number), BEGIN + number * BETWEEN
    return Publication(
        action="published",
        content_id=f"tin-{number}",
        revision=1,
        unit=UNITS[number % len(UNITS)],
        topic=letter.TOPICS[number % len(letter.TOPICS)],
        title=f"{chance.choice(NAMES)}: tin số {number}",
        summary=letter.SUMMARY,
        body=" ".join(chance.choices(SENTENCES, k=20)),
        first_released_at=at,
        released_at=at,
        event_id=f"{number:026}",
    )


def items(count: int) -> Iterator[Publication]:
    return (an_item(number) for number in range(count))


def folder_of(folder: Path, *, items: int) -> Path:
    """A portal with its newest items; where its files are served from."""
    with open_rebuild(folder, SiteFiles(site()), 10.0) as portal:
        portal.add_publications(map(an_item, range(items)))
        portal.finish()
    return folder / "public"


def crowded(path: Path, items: int) -> Path:
    """A catalogue in which every item holds every word that is asked for: the worst there is."""
    catalogue = SearchIndex(path)
    try:
        catalogue.create_tables()
        for first in range(0, items, CHUNK):
            with catalogue.transaction():
                catalogue.put(a_paper(number) for number in range(first, min(first + CHUNK, items)))
        catalogue.mark_complete("bench")
    finally:
        catalogue.close()
    return path


def a_paper(number: int) -> SearchDocument:
    """An item as it is searched, with every sentence that the other items choose from."""
    item = an_item(number)
    sentences = Random(number).sample(SENTENCES, len(SENTENCES))
    at = item.first_released_at
    facts = DocumentFacts(item.title, item.topic, item.unit, item.language, at.isoformat())
    return SearchDocument(item.content_id, int(at.timestamp() * 1e6), facts, " ".join(sentences))
