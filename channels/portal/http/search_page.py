"""The page of `/tim`: the form as it was filled in, and what was found."""

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
"""On one page."""
FILTER_FIELDS = ("chu-de", "don-vi", "doi-tuong", "tu", "den")
FIELDS = ("q", "xep", *FILTER_FIELDS)


@dataclass(frozen=True, slots=True)
class SearchResults:
    """What was found, and the items of the page that was asked for, or else of the last."""

    matches: SearchMatches
    documents: Sequence[SearchDocument]
    page: int = 1

    @property
    def page_total(self) -> int:
        return count_pages(self.matches)


@dataclass(frozen=True, slots=True)
class SearchView:
    """What is to be shown; `asked` are the address's parameters as they came.

    `wrong`: the field that can't be read, and why. `closed`: there is no looking things up now.
    `full`: too many people want to.
    """

    params: Mapping[str, str]
    query: SearchQuery
    results: SearchResults | None = None
    error: InvalidQuery | None = None
    is_unavailable: bool = False
    is_busy: bool = False


@dataclass(frozen=True, slots=True)
class SearchHit:
    """One item that was found, as the page shows it."""

    content_id: str
    facts: DocumentFacts
    title: Sequence[SnippetPiece]
    text: Sequence[SnippetPiece]
    topic: str
    unit: str
    published: datetime
    corrected: datetime | None


class SearchPage:
    """Writes the page for one site."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._pages = HtmlPages(site)

    def render(self, view: SearchView) -> bytes:
        """The whole page in HTML; of what was asked it has the beginning, however long that is."""
        answer, asked = view.results, _repeated_params(view.params)
        return self._pages.search(
            asked=asked | selected_options(view.query),
            found=answer.matches if answer else None,
            hits=[self._hit(one, view) for one in answer.documents] if answer else [],
            options=filter_options(self._site, view.query),
            narrowed=any(asked[name] for name in FILTER_FIELDS),
            wrong=view.error,
            closed=view.is_unavailable,
            full=view.is_busy,
            total=_grouped_digits(len(answer.matches.places)) if answer else "",
            page=answer.page if answer else 1,
            pages=answer.page_total if answer else 1,
            beside=_adjacent_pages(asked, answer) if answer else ("", ""),
            begin=_page_url(asked, 1),
            first=(answer.page - 1) * PAGE_SIZE + 1 if answer else 1,
        )

    def _hit(self, paper: SearchDocument, view: SearchView) -> SearchHit:
        facts, words = paper.facts, view.query.words
        loosely = view.results is not None and view.results.matches.loose
        published = datetime.fromisoformat(facts.published)
        return SearchHit(
            content_id=paper.content_id,
            facts=facts,
            title=highlight(facts.title, words, ignore_marks=loosely),
            text=make_snippet(paper.text, words, ignore_marks=loosely),
            topic=self._site.topic_name(facts.topic),
            unit=self._site.unit_name(facts.unit, published),
            published=published,
            corrected=datetime.fromisoformat(facts.corrected) if facts.corrected else None,
        )


def count_pages(found: SearchMatches) -> int:
    """How many pages it takes; one at least."""
    return max(1, -(-len(found.places) // PAGE_SIZE))


def _repeated_params(asked: Mapping[str, str]) -> dict[str, str]:
    """What the form and the links repeat: no more of a field than could be asked for."""
    return {name: asked.get(name, "")[:LENGTH_MAX] for name in FIELDS}


def _adjacent_pages(asked: Mapping[str, str], answer: SearchResults) -> tuple[str, str]:
    """The addresses of the pages before and after this one; empty where there is none."""
    here = answer.page
    before = _page_url(asked, here - 1) if here > 1 else ""
    return before, _page_url(asked, here + 1) if here < answer.page_total else ""


def _grouped_digits(number: int) -> str:
    return f"{number:,}".replace(",", ".")


def _page_url(asked: Mapping[str, str], page: int) -> str:
    filled = {name: asked[name] for name in FIELDS if asked[name]}
    return "/tim?" + urlencode(filled | ({"trang": str(page)} if page > 1 else {}))
