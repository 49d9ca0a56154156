"""Search queries: words, facets and days, parsed from the address of `/tim`."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from types import MappingProxyType

from channels.portal.errors import InvalidQuery
from channels.portal.search.normalize import WORD, normalize_spelling, strip_marks
from contracts.text import nfc
from contracts.text.moments import VIETNAM

_WORDS_MAX, LENGTH_MAX = 12, 200
_VALID_YEARS = range(1900, 2200)
"""Accepted years; a day after the last one is still a valid date."""
_ID = re.compile("[a-z0-9-]{0,80}")
_PAGE = re.compile("[1-9][0-9]{0,8}")
_DATE_FORMATS = ("%Y-%m-%d", "%d/%m/%Y", "%d-%m-%Y", "%d.%m.%Y")
KnownValues = Mapping[str, Mapping[str, str]]
"""Field → accepted value → id in the index; fields that are absent accept any value."""
EVERY_AUDIENCE = "*"
"""Audience of items for everybody, which match every audience; no address can name it."""


@dataclass(frozen=True, slots=True)
class SearchQuery:
    """A parsed query: normalized words, ids or empty, inclusive days; `page` may be too high."""

    words: tuple[str, ...] = ()
    topic: str = ""
    unit: str = ""
    audience: str = ""
    since: date | None = None
    until: date | None = None
    newest_first: bool = False
    page: int = 1

    @property
    def has_criteria(self) -> bool:
        """Whether the query has any words or filters."""
        narrowed = self.topic or self.unit or self.audience or self.since or self.until
        return bool(self.words or narrowed)

    @property
    def has_marks(self) -> bool:
        """Whether the words have marks, which matches then need, too."""
        return any(map(_is_marked, self.words))

    @property
    def span_us(self) -> tuple[int, int]:
        """First and last microsecond of the requested days."""
        first = _midnight_us(self.since) if self.since else 0
        last = _midnight_us(self.until + timedelta(days=1)) - 1 if self.until else 1 << 62
        return first, last

    def fts_expressions(self, *, ignore_marks: bool = False) -> Iterator[str]:
        """FTS5 expressions, best matches first; the last one includes all matches."""
        words = tuple(map(strip_marks, self.words)) if ignore_marks else self.words
        if words and not self.newest_first:
            title, text = _columns(marked=self.has_marks and not ignore_marks)
            yield self._with_facets(_expression(" ".join(words), title))
            yield self._with_facets(_expression(" ".join(words), title, text))
        every_word = (_expression(word, *_columns(marked=_is_marked(word))) for word in words)
        yield self._with_facets(*every_word)

    def _with_facets(self, *expressions: str) -> str:
        facets = [_facet_expression("t", self.topic), _facet_expression("u", self.unit)]
        facets.append(_facet_expression("a", self.audience, EVERY_AUDIENCE))
        return " AND ".join((*filter(None, facets), *expressions))


def facet_token(kind: str, id: str) -> str:
    """The indexed word for a topic (t), unit (u) or audience (a)."""
    return f"{kind}{id.encode().hex()}"


def parse_query(
    params: Mapping[str, str], known_values: KnownValues = MappingProxyType({})
) -> SearchQuery:
    """Parse an address's parameters; unknown ones are ignored. Raises InvalidQuery."""
    since, until = _day("tu", params), _day("den", params)
    if since and until and since > until:
        raise InvalidQuery("tu", "order")
    return SearchQuery(
        words=_words(params.get("q", "")),
        topic=_id("chu-de", params, known_values),
        unit=_id("don-vi", params, known_values),
        audience=_id("doi-tuong", params, known_values),
        since=since,
        until=until,
        newest_first=params.get("xep") == "moi",
        page=_page(params.get("trang", "") or "1"),
    )


def _words(text: str) -> tuple[str, ...]:
    if len(text) > LENGTH_MAX:
        raise InvalidQuery("q", "long")
    words = WORD.findall(normalize_spelling(nfc(text)))
    if len(words) > _WORDS_MAX:
        raise InvalidQuery("q", "long")
    if text.strip() and not words:
        raise InvalidQuery("q", "empty")
    return tuple(words)


def _id(name: str, params: Mapping[str, str], known_values: KnownValues) -> str:
    id = params.get(name, "")
    known_id = known_values[name].get(id) if id and name in known_values else id
    if known_id is None or not _ID.fullmatch(id):
        raise InvalidQuery(name, "unknown")
    return known_id


def _day(name: str, params: Mapping[str, str]) -> date | None:
    if not (text := params.get(name, "").strip()):
        return None
    for date_format in _DATE_FORMATS:
        try:
            day = datetime.strptime(text, date_format).replace(tzinfo=VIETNAM).date()
        except ValueError:
            continue
        if day.year in _VALID_YEARS:
            return day
    raise InvalidQuery(name, "day")


def _page(text: str) -> int:
    if not _PAGE.fullmatch(text):
        raise InvalidQuery("trang", "page")
    return int(text)


def _midnight_us(day: date) -> int:
    return int(datetime.combine(day, time(), VIETNAM).timestamp()) * 1_000_000


def _facet_expression(kind: str, *ids: str) -> str:
    """FTS5 expression for any of the facets; empty for an empty id."""
    marks = " OR ".join(f'"{facet_token(kind, id)}"' for id in ids)
    return f"marks : ({marks})" if all(ids) else ""


def _expression(phrase: str, *columns: str) -> str:
    """FTS5 expression for the phrase in any of *columns*."""
    return f'{{{" ".join(columns)}}} : "{phrase}"'


def _columns(*, marked: bool) -> tuple[str, str]:
    return ("title", "text") if marked else ("title_bare", "text_bare")


def _is_marked(word: str) -> bool:
    return word != strip_marks(word)
