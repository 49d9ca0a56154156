"""The page of `/tim`: the form as it was filled in, and what was found."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlencode

from channels.portal.pages import Pages
from channels.portal.search.catalogue import Facts, Found, Paper
from channels.portal.search.choices import chosen, options
from channels.portal.search.excerpt import Piece, excerpt, marked
from channels.portal.search.question import LENGTH_MAX, Question, Unclear
from channels.portal.site import Site

ANSWERS = 20
"""On one page."""
NARROWING = ("chu-de", "don-vi", "doi-tuong", "tu", "den")
FIELDS = ("q", "xep", *NARROWING)


@dataclass(frozen=True, slots=True)
class Answer:
    """What was found, and the items of the page that was asked for, or else of the last."""

    found: Found
    papers: Sequence[Paper]
    page: int = 1

    @property
    def pages(self) -> int:
        return pages_of(self.found)


@dataclass(frozen=True, slots=True)
class View:
    """What is to be shown; `asked` are the address's parameters as they came.

    `wrong`: the field that can't be read, and why. `closed`: there is no looking things up now.
    `full`: too many people want to.
    """

    asked: Mapping[str, str]
    question: Question
    answer: Answer | None = None
    wrong: Unclear | None = None
    closed: bool = False
    full: bool = False


@dataclass(frozen=True, slots=True)
class Hit:
    """One item that was found, as the page shows it."""

    content_id: str
    facts: Facts
    title: Sequence[Piece]
    text: Sequence[Piece]
    topic: str
    unit: str
    published: datetime
    corrected: datetime | None


class SearchPage:
    """Writes the page for one site."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._pages = Pages(site)

    def write(self, view: View) -> bytes:
        """The whole page in HTML; of what was asked it has the beginning, however long that is."""
        answer, asked = view.answer, _written_back(view.asked)
        return self._pages.search(
            asked=asked | chosen(view.question),
            found=answer.found if answer else None,
            hits=[self._hit(one, view) for one in answer.papers] if answer else [],
            options=options(self._site, view.question),
            narrowed=any(asked[name] for name in NARROWING),
            wrong=view.wrong,
            closed=view.closed,
            full=view.full,
            total=_dotted(len(answer.found.places)) if answer else "",
            page=answer.page if answer else 1,
            pages=answer.pages if answer else 1,
            beside=_beside(asked, answer) if answer else ("", ""),
            begin=_address(asked, 1),
            first=(answer.page - 1) * ANSWERS + 1 if answer else 1,
        )

    def _hit(self, paper: Paper, view: View) -> Hit:
        facts, words = paper.facts, view.question.words
        loosely = view.answer is not None and view.answer.found.loose
        published = datetime.fromisoformat(facts.published)
        return Hit(
            content_id=paper.content_id,
            facts=facts,
            title=marked(facts.title, words, loosely=loosely),
            text=excerpt(paper.text, words, loosely=loosely),
            topic=self._site.topic_name(facts.topic),
            unit=self._site.unit_name(facts.unit, published),
            published=published,
            corrected=datetime.fromisoformat(facts.corrected) if facts.corrected else None,
        )


def pages_of(found: Found) -> int:
    """How many pages it takes; one at least."""
    return max(1, -(-len(found.places) // ANSWERS))


def _written_back(asked: Mapping[str, str]) -> dict[str, str]:
    """What the form and the links repeat: no more of a field than could be asked for."""
    return {name: asked.get(name, "")[:LENGTH_MAX] for name in FIELDS}


def _beside(asked: Mapping[str, str], answer: Answer) -> tuple[str, str]:
    """The addresses of the pages before and after this one; empty where there is none."""
    here = answer.page
    before = _address(asked, here - 1) if here > 1 else ""
    return before, _address(asked, here + 1) if here < answer.pages else ""


def _dotted(number: int) -> str:
    return f"{number:,}".replace(",", ".")


def _address(asked: Mapping[str, str], page: int) -> str:
    filled = {name: asked[name] for name in FIELDS if asked[name]}
    return "/tim?" + urlencode(filled | ({"trang": str(page)} if page > 1 else {}))
