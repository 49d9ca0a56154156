"""Selection of dead letters."""

from dataclasses import dataclass
from datetime import UTC, datetime

from consumers.dead_letters.letter import DeadLetter
from contracts.text import nfc


@dataclass(frozen=True, slots=True)
class DeadLetterQuery:
    """All given parts have to match; `ended`: also ended letters.

    `ids` is None for any letter; an empty tuple selects none.
    """

    ids: tuple[int, ...] | None = None
    stage: str = ""
    unit: str = ""
    field: str = ""
    text: str = ""
    content_id: str = ""
    since: datetime | None = None
    until: datetime | None = None
    ended: bool = False

    @property
    def is_selective(self) -> bool:
        """Whether it selects some letters, instead of all."""
        return self != DeadLetterQuery(ended=self.ended)

    def matches(self, letter: DeadLetter) -> bool:
        return (
            (self.ended or letter.ended is None)
            and (self.ids is None or letter.id in self.ids)
            and self.stage in ("", letter.stage)
            and self.unit in ("", letter.about.unit)
            and self.content_id in ("", letter.about.content_id)
            and self.matches_field(letter)
            and self.matches_time(letter)
        )

    def matches_field(self, letter: DeadLetter) -> bool:
        """Whether an error is at the field or below it."""
        below = f"{self.field}."
        return not self.field or any(f"{error.field}.".startswith(below) for error in letter.errors)

    def matches_time(self, letter: DeadLetter) -> bool:
        """A letter matches from its first to its last death."""
        last = letter.last or letter.at
        return (self.since is None or last >= _as_utc(self.since)) and (
            self.until is None or letter.at < _as_utc(self.until)
        )

    def matches_text(self, body: bytes) -> bool:
        """Whether the original contains *text*, in upper or lower case."""
        return nfc(self.text).casefold() in nfc(body.decode("utf-8", "replace")).casefold()


def _as_utc(moment: datetime) -> datetime:
    """A time without an offset means UTC, as in the lists."""
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
