"""What somebody looks for: words, and where and when; read from the address of `/tim`."""

import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from types import MappingProxyType
from typing import Literal

from channels.portal.search.words import WORD, even, unmarked
from contracts.vietnam import VIETNAM

WORDS_MAX, LENGTH_MAX = 12, 200
YEARS = range(1900, 2200)
"""Nothing was published before, and a day more than the last one can still be reckoned with."""
_ID = re.compile("[a-z0-9-]{0,80}")
_PAGE = re.compile("[1-9][0-9]{0,8}")
DAYS = ("%Y-%m-%d", "%d/%m/%Y", "%d-%m-%Y", "%d.%m.%Y")
Known = Mapping[str, Mapping[str, str]]
"""Field → a value that it may have → what the catalogue calls that; others may have any."""
EVERYBODY = "*"
"""An audience that no address can name: items for everybody stand on every audience's shelf."""
MARKED, UNMARKED = "{title text}", "{title_bare text_bare}"
MARKED_TITLE, UNMARKED_TITLE = "title", "title_bare"


Reason = Literal["long", "empty", "unknown", "day", "order", "page"]


class Unclear(Exception):
    """A field of the address can't be read: its name, as the address has it, and why."""

    def __init__(self, field: str, reason: Reason) -> None:
        super().__init__(field)
        self.field = field
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Question:
    """`words` are `even`; ids are empty for any; both days are included.

    `page` may be one behind the last.
    """

    words: tuple[str, ...] = ()
    topic: str = ""
    unit: str = ""
    audience: str = ""
    since: date | None = None
    until: date | None = None
    newest: bool = False
    page: int = 1

    @property
    def asks(self) -> bool:
        """Whether there is anything to look for."""
        narrowed = self.topic or self.unit or self.audience or self.since or self.until
        return bool(self.words or narrowed)

    @property
    def marked(self) -> bool:
        """Whether the words have marks, which an answer then has to have, too."""
        return any(word != unmarked(word) for word in self.words)

    @property
    def span(self) -> tuple[int, int]:
        """The first and the last microsecond asked for."""
        first = _midnight(self.since) if self.since else 0
        last = _midnight(self.until + timedelta(days=1)) - 1 if self.until else 1 << 62
        return first, last

    def matches(self, *, loosely: bool = False) -> Iterator[str]:
        """FTS5 expressions, best first; the last one finds everything that the others find.

        *loosely*: marks don't count.
        """
        words = tuple(map(unmarked, self.words)) if loosely else self.words
        marked = self.marked and not loosely
        if words and not self.newest:
            phrase = " ".join(words)
            yield self._within(f'{MARKED_TITLE if marked else UNMARKED_TITLE} : "{phrase}"')
            yield self._within(f'{MARKED if marked else UNMARKED} : "{phrase}"')
        yield self._within(*map(_anywhere, words))

    def _within(self, *expressions: str) -> str:
        placed = [_marked("t", self.topic), _marked("u", self.unit)]
        placed.append(_marked("a", self.audience, EVERYBODY))
        return " AND ".join((*filter(None, placed), *expressions))


def place_mark(kind: str, id: str) -> str:
    """A topic (t), unit (u) or audience (a) as a word of the catalogue."""
    return f"{kind}{id.encode().hex()}"


def read(asked: Mapping[str, str], known: Known = MappingProxyType({})) -> Question:
    """The question in an address's parameters; unknown ones are ignored. Raises Unclear."""
    since, until = _day("tu", asked), _day("den", asked)
    if since and until and since > until:
        raise Unclear("tu", "order")
    return Question(
        words=_words(asked.get("q", "")),
        topic=_id("chu-de", asked, known),
        unit=_id("don-vi", asked, known),
        audience=_id("doi-tuong", asked, known),
        since=since,
        until=until,
        newest=asked.get("xep") == "moi",
        page=_page(asked.get("trang", "") or "1"),
    )


def _words(text: str) -> tuple[str, ...]:
    if len(text) > LENGTH_MAX:
        raise Unclear("q", "long")
    words = WORD.findall(even(unicodedata.normalize("NFC", text)))
    if len(words) > WORDS_MAX:
        raise Unclear("q", "long")
    if text.strip() and not words:
        raise Unclear("q", "empty")
    return tuple(words)


def _id(name: str, asked: Mapping[str, str], known: Known) -> str:
    id = asked.get(name, "")
    found = known[name].get(id) if id and name in known else id
    if found is None or not _ID.fullmatch(id):
        raise Unclear(name, "unknown")
    return found


def _day(name: str, asked: Mapping[str, str]) -> date | None:
    if not (text := asked.get(name, "").strip()):
        return None
    for form in DAYS:
        try:
            day = datetime.strptime(text, form).replace(tzinfo=VIETNAM).date()
        except ValueError:
            continue
        if day.year in YEARS:
            return day
    raise Unclear(name, "day")


def _page(text: str) -> int:
    if not _PAGE.fullmatch(text):
        raise Unclear("trang", "page")
    return int(text)


def _midnight(day: date) -> int:
    return int(datetime.combine(day, time(), VIETNAM).timestamp()) * 1_000_000


def _marked(kind: str, *ids: str) -> str:
    """Standing in any of these places; empty for an empty id."""
    marks = " OR ".join(f'"{place_mark(kind, id)}"' for id in ids)
    return f"marks : ({marks})" if all(ids) else ""


def _anywhere(word: str) -> str:
    columns = MARKED if word != unmarked(word) else UNMARKED
    return f'{columns} : "{word}"'
