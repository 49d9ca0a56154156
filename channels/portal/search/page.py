"""The page of `/tim`: the form as it was filled in, and what was found."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlencode

from channels.portal.pages import Pages
from channels.portal.search.catalogue import Facts, Found, Paper
from channels.portal.search.excerpt import Piece, excerpt, marked
from channels.portal.search.question import Question
from channels.portal.site import Site

ANSWERS = 20
"""On one page."""
NARROWING = ("chu-de", "don-vi", "tu", "den", "xep")
FIELDS = ("q", *NARROWING)


@dataclass(frozen=True, slots=True)
class Answer:
    """What was found, and the items of the page that was asked for."""

    found: Found
    papers: Sequence[Paper]


@dataclass(frozen=True, slots=True)
class View:
    """What is to be shown; `asked` are the address's parameters as they came.

    `wrong`: the field that can't be read. `closed`: there is no looking things up now.
    """

    asked: Mapping[str, str]
    question: Question
    answer: Answer | None = None
    wrong: str = ""
    closed: bool = False


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
        """The whole page in HTML."""
        answer = view.answer
        return self._pages.search(
            asked={name: view.asked.get(name, "") for name in FIELDS},
            question=view.question,
            found=answer.found if answer else None,
            hits=[self._hit(one, view) for one in answer.papers] if answer else [],
            topics=_named(self._site.topics(), self._site.topic_name),
            units=_named(self._site.units(), self._site.slug_name),
            narrowed=any(view.asked.get(name) for name in NARROWING),
            wrong=view.wrong,
            closed=view.closed,
            total=_dotted(len(answer.found.places)) if answer else "",
            beside=_beside(view),
            first=(view.question.page - 1) * ANSWERS + 1,
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


def _named(ids: Sequence[str], name: Callable[[str], str]) -> list[tuple[str, str]]:
    return [(id, name(id)) for id in ids]


def _beside(view: View) -> tuple[str, str]:
    """The addresses of the pages before and after this one; empty where there is none."""
    here, there = view.question.page, len(view.answer.found.places) if view.answer else 0
    before = _address(view.asked, here - 1) if 1 < here <= there / ANSWERS + 1 else ""
    return before, _address(view.asked, here + 1) if here * ANSWERS < there else ""


def _dotted(number: int) -> str:
    return f"{number:,}".replace(",", ".")


def _address(asked: Mapping[str, str], page: int) -> str:
    filled = {name: asked[name] for name in FIELDS if asked.get(name)}
    return "/tim?" + urlencode(filled | ({"trang": str(page)} if page > 1 else {}))
