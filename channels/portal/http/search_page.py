"""The page of `/tim`: the search form as filled in, and its results."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlencode

from channels.portal.errors import InvalidQuery
from channels.portal.model.site import Site
from channels.portal.model.texts import TEXTS
from channels.portal.render.html import HtmlPages
from channels.portal.search.index import DocumentFacts, SearchDocument, SearchMatches
from channels.portal.search.query import LENGTH_MAX, KnownValues, SearchQuery
from channels.portal.search.snippets import (
    SnippetPiece,
    has_phrase,
    highlight,
    make_snippet,
    phrases_only,
)
from channels.portal.search.suggestions import listings_named, nearest_topics

PAGE_SIZE = 20
"""Results per page."""
NEWEST_SHOWN = 5
"""Newest items offered before a search."""
_FILTER_FIELDS = ("xep", "chu-de", "don-vi", "doi-tuong", "tu", "den")
_FIELDS = ("q", *_FILTER_FIELDS)


@dataclass(frozen=True, slots=True)
class SearchResults:
    """All matches, and the documents of the requested page, or else of the last."""

    matches: SearchMatches
    documents: Sequence[SearchDocument]
    page: int = 1
    wider: Sequence[tuple[str, ...]] = ()
    """Words that find something, where these matches are none."""


@dataclass(frozen=True, slots=True)
class SearchView:
    """Data of the page; `params` are the address's parameters as received.

    `error`: the invalid field. `is_unavailable`: no search index. `is_busy`: too many searches.
    """

    params: Mapping[str, str]
    query: SearchQuery
    results: SearchResults | None = None
    newest: Sequence[SearchDocument] = ()
    error: InvalidQuery | None = None
    is_unavailable: bool = False
    is_busy: bool = False


@dataclass(frozen=True, slots=True)
class _SearchHit:
    """One result as the page shows it."""

    content_id: str
    facts: DocumentFacts
    title: Sequence[SnippetPiece]
    text: Sequence[SnippetPiece]
    topic: str
    unit: str
    published: datetime
    corrected: datetime | None


class SearchPage:
    """Renders the page for one site."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._pages = HtmlPages(site)

    def render(self, view: SearchView) -> bytes:
        """Render the page as HTML; it repeats at most LENGTH_MAX characters of a field."""
        params = {name: view.params.get(name, "")[:LENGTH_MAX] for name in _FIELDS}
        query, results = view.query, view.results or SearchResults(SearchMatches(()), ())
        selected = {"chu-de": query.topic, "don-vi": query.unit, "doi-tuong": query.audience}
        total = count_pages(results.matches)
        by_age = query.newest_first or not query.words
        return self._pages.search(
            asked=params | {field: id for field, id in selected.items() if id},
            found=view.results and results.matches,
            newest=[self._hit(document, view) for document in view.newest],
            wider=[(_page_url({"q": " ".join(words)}, 1), words) for words in results.wider],
            topics=self._topics(view),
            hits=[self._hit(document, view) for document in results.documents],
            options=_filter_options(self._site, query),
            narrowed=any(params[name] for name in _FILTER_FIELDS),
            named=self._named_listings(query),
            wrong=view.error,
            closed=view.is_unavailable,
            full=view.is_busy,
            total=f"{len(results.matches.places):,}".replace(",", "."),
            page=results.page,
            pages=total,
            beside=_adjacent_pages(params, results.page, total),
            begin=_page_url(params, 1),
            first=(results.page - 1) * PAGE_SIZE + 1,
            order=TEXTS["search"]["order"]["newest" if by_age else "fit"],
        )

    def _topics(self, view: SearchView) -> list[str]:
        """The topics nearest to the query, or else those that people look for most."""
        known = {id: self._site.topic_name(id) for id in self._site.topics()}
        return nearest_topics(view.query.words, known) or [
            id for id in TEXTS["blocks"] if id in known
        ]

    def _named_listings(self, query: SearchQuery) -> list[str]:
        """Topics and units with all words of the query in their names."""
        known = (*self._site.topics(), *self._site.units())
        return listings_named({slug: self._site.slug_name(slug) for slug in known}, query.words)

    def _hit(self, document: SearchDocument, view: SearchView) -> _SearchHit:
        facts, words = document.facts, view.query.words
        ignore_marks = view.results is not None and view.results.matches.loose
        published = datetime.fromisoformat(facts.published)
        title = highlight(facts.title, words, ignore_marks=ignore_marks)
        text = make_snippet(document.text, words, ignore_marks=ignore_marks)
        if has_phrase(title) or has_phrase(text):
            title, text = phrases_only(title), phrases_only(text)
        return _SearchHit(
            content_id=document.content_id,
            facts=facts,
            title=title,
            text=text,
            topic=self._site.topic_name(facts.topic),
            unit=self._site.unit_name(facts.unit, published),
            published=published,
            corrected=datetime.fromisoformat(facts.corrected) if facts.corrected else None,
        )


def count_pages(matches: SearchMatches) -> int:
    """Number of result pages, at least one."""
    return max(1, -(-len(matches.places) // PAGE_SIZE))


def _adjacent_pages(params: Mapping[str, str], page: int, total: int) -> tuple[str, str]:
    """Addresses of the previous and next page; empty for none."""
    before = _page_url(params, page - 1) if page > 1 else ""
    return before, _page_url(params, page + 1) if page < total else ""


def _page_url(params: Mapping[str, str], page: int) -> str:
    filled = {name: params[name] for name in _FIELDS if params.get(name)}
    return "/tim?" + urlencode(filled | ({"trang": str(page)} if page > 1 else {}))


def known_values(site: Site) -> KnownValues:
    """Accepted ids, including former ids of units and units that have ended."""
    units = {unit: unit for unit in site.vocabulary.units}
    return {
        "chu-de": {topic: topic for topic in site.topics()},
        "don-vi": units | dict(site.vocabulary.aliases),
        "doi-tuong": {audience: audience for audience in site.audiences()},
    }


def _filter_options(site: Site, query: SearchQuery) -> dict[str, list[tuple[str, str]]]:
    """Field → id and name of each option; an ended unit only if *query* has it."""
    units = dict.fromkeys((*site.units(), *filter(None, (query.unit,))))
    return {
        "chu-de": [(id, site.topic_name(id)) for id in site.topics()],
        "don-vi": [(id, site.slug_name(id)) for id in units],
        "doi-tuong": [(id, site.audience_name(id)) for id in site.audiences()],
    }
