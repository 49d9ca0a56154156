"""The page of `/tim`: the search form as filled in, and its results."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlencode

from channels.portal.errors import InvalidQuery
from channels.portal.model.site import Site
from channels.portal.render.html import HtmlPages
from channels.portal.search.index import DocumentFacts, SearchDocument, SearchMatches
from channels.portal.search.options import filter_options, selected_options
from channels.portal.search.query import LENGTH_MAX, SearchQuery
from channels.portal.search.snippets import SnippetPiece, highlight, make_snippet

PAGE_SIZE = 20
"""Results per page."""
_FILTER_FIELDS = ("chu-de", "don-vi", "doi-tuong", "tu", "den")
FIELDS = ("q", "xep", *_FILTER_FIELDS)


@dataclass(frozen=True, slots=True)
class SearchResults:
    """All matches, and the documents of the requested page, or else of the last."""

    matches: SearchMatches
    documents: Sequence[SearchDocument]
    page: int = 1

    @property
    def page_total(self) -> int:
        return count_pages(self.matches)


@dataclass(frozen=True, slots=True)
class SearchView:
    """Data of the page; `params` are the address's parameters as received.

    `error`: the invalid field. `is_unavailable`: no search index. `is_busy`: too many searches.
    """

    params: Mapping[str, str]
    query: SearchQuery
    results: SearchResults | None = None
    error: InvalidQuery | None = None
    is_unavailable: bool = False
    is_busy: bool = False


@dataclass(frozen=True, slots=True)
class SearchHit:
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
        results, params = view.results, _repeated_params(view.params)
        return self._pages.search(
            asked=params | selected_options(view.query),
            found=results.matches if results else None,
            hits=[self._hit(document, view) for document in results.documents] if results else [],
            options=filter_options(self._site, view.query),
            narrowed=any(params[name] for name in _FILTER_FIELDS),
            wrong=view.error,
            closed=view.is_unavailable,
            full=view.is_busy,
            total=_grouped_digits(len(results.matches.places)) if results else "",
            page=results.page if results else 1,
            pages=results.page_total if results else 1,
            beside=_adjacent_pages(params, results) if results else ("", ""),
            begin=_page_url(params, 1),
            first=(results.page - 1) * PAGE_SIZE + 1 if results else 1,
        )

    def _hit(self, document: SearchDocument, view: SearchView) -> SearchHit:
        facts, words = document.facts, view.query.words
        ignore_marks = view.results is not None and view.results.matches.loose
        published = datetime.fromisoformat(facts.published)
        return SearchHit(
            content_id=document.content_id,
            facts=facts,
            title=highlight(facts.title, words, ignore_marks=ignore_marks),
            text=make_snippet(document.text, words, ignore_marks=ignore_marks),
            topic=self._site.topic_name(facts.topic),
            unit=self._site.unit_name(facts.unit, published),
            published=published,
            corrected=datetime.fromisoformat(facts.corrected) if facts.corrected else None,
        )


def count_pages(matches: SearchMatches) -> int:
    """Number of result pages, at least one."""
    return max(1, -(-len(matches.places) // PAGE_SIZE))


def _repeated_params(params: Mapping[str, str]) -> dict[str, str]:
    """Parameters that the form and links repeat, cut to the accepted length."""
    return {name: params.get(name, "")[:LENGTH_MAX] for name in FIELDS}


def _adjacent_pages(params: Mapping[str, str], results: SearchResults) -> tuple[str, str]:
    """Addresses of the previous and next page; empty for none."""
    page = results.page
    before = _page_url(params, page - 1) if page > 1 else ""
    return before, _page_url(params, page + 1) if page < results.page_total else ""


def _grouped_digits(number: int) -> str:
    return f"{number:,}".replace(",", ".")


def _page_url(params: Mapping[str, str], page: int) -> str:
    filled = {name: params[name] for name in FIELDS if params[name]}
    return "/tim?" + urlencode(filled | ({"trang": str(page)} if page > 1 else {}))
