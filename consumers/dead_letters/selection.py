"""Selection of dead letters."""

from dataclasses import dataclass
from datetime import UTC, datetime

from consumers.dead_letters.letter import DeadLetter
from contracts.text import nfc


@dataclass(frozen=True, slots=True)
class DeadLetterQuery:
    """Every part that is given has to match; `ended`: also letters that are dealt with.

    `ids` is None for any letter; an empty choice is a choice, of none.
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
        """Does it name anything, or does it mean every letter there is?"""
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
        """`data.links` also finds what lies below it."""
        named = (error.field for error in letter.errors)
        return not self.field or any(f"{one}.".startswith(f"{self.field}.") for one in named)

    def matches_time(self, letter: DeadLetter) -> bool:
        """A letter matches from its first to its last death."""
        last = letter.last or letter.at
        return (self.since is None or last >= as_utc(self.since)) and (
            self.until is None or letter.at < as_utc(self.until)
        )

    def matches_text(self, body: bytes) -> bool:
        """Whether the original contains *text*, in upper or lower case."""
        return nfc(self.text).casefold() in nfc(body.decode("utf-8", "replace")).casefold()


def as_utc(moment: datetime) -> datetime:
    """A time without an offset means UTC, as in the lists."""
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
