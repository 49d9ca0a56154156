"""What somebody looks for: words, and where and when; read from the address of `/tim`."""

import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from channels.portal.search.words import WORD, even, unmarked
from contracts.vietnam import VIETNAM

WORDS_MAX, LENGTH_MAX, PAGES_MAX = 12, 200, 50
_ID = re.compile("[a-z0-9-]{0,80}")
MARKED, UNMARKED = "{title text}", "{title_bare text_bare}"
MARKED_TITLE, UNMARKED_TITLE = "title", "title_bare"


class Unclear(Exception):
    """A field of the address can't be read: its name, as the address has it."""


@dataclass(frozen=True, slots=True)
class Question:
    """`words` are `even`; topic and unit are ids, empty for any; both days are included."""

    words: tuple[str, ...] = ()
    topic: str = ""
    unit: str = ""
    since: date | None = None
    until: date | None = None
    newest: bool = False
    page: int = 1

    @property
    def asks(self) -> bool:
        """Whether there is anything to look for."""
        return bool(self.words or self.topic or self.unit or self.since or self.until)

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
        marks = [mark for mark in place_marks(self.topic, self.unit) if mark]
        placed = [f'marks : "{mark}"' for mark in marks]
        return " AND ".join((*placed, *expressions))


def place_marks(topic: str, unit: str) -> tuple[str, str]:
    """Topic and unit as words of the catalogue; empty for an empty id."""
    return (topic and f"t{topic.encode().hex()}", unit and f"u{unit.encode().hex()}")


def read(asked: Mapping[str, str]) -> Question:
    """The question in an address's parameters; unknown ones are ignored. Raises Unclear."""
    return Question(
        words=_words(asked.get("q", "")),
        topic=_id("chu-de", asked),
        unit=_id("don-vi", asked),
        since=_day("tu", asked),
        until=_day("den", asked),
        newest=asked.get("xep") == "moi",
        page=_page(asked.get("trang", "") or "1"),
    )


def _words(text: str) -> tuple[str, ...]:
    if len(text) > LENGTH_MAX:
        raise Unclear("q")
    words = WORD.findall(even(unicodedata.normalize("NFC", text)))
    if len(words) > WORDS_MAX:
        raise Unclear("q")
    return tuple(words)


def _id(name: str, asked: Mapping[str, str]) -> str:
    id = asked.get(name, "")
    if not _ID.fullmatch(id):
        raise Unclear(name)
    return id


def _day(name: str, asked: Mapping[str, str]) -> date | None:
    if not (text := asked.get(name, "").strip()):
        return None
    for form in ("%Y-%m-%d", "%d/%m/%Y"):
        try:
            return datetime.strptime(text, form).replace(tzinfo=VIETNAM).date()
        except ValueError:
            continue
    raise Unclear(name)


def _page(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 1 <= int(text[:4]) <= PAGES_MAX:
        raise Unclear("trang")
    return int(text[:4])


def _midnight(day: date) -> int:
    return int(datetime.combine(day, time(), VIETNAM).timestamp()) * 1_000_000


def _anywhere(word: str) -> str:
    columns = MARKED if word != unmarked(word) else UNMARKED
    return f'{columns} : "{word}"'
