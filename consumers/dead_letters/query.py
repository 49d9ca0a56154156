"""Which dead letters somebody wants to see."""

from dataclasses import dataclass
from datetime import UTC, datetime

from consumers.dead_letters.letter import Letter
from contracts.text import nfc


@dataclass(frozen=True, slots=True)
class Query:
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
    def chooses(self) -> bool:
        """Does it name anything, or does it mean every letter there is?"""
        return self != Query(ended=self.ended)

    def matches(self, letter: Letter) -> bool:
        return (
            (self.ended or letter.ended is None)
            and (self.ids is None or letter.id in self.ids)
            and self.stage in ("", letter.stage)
            and self.unit in ("", letter.about.unit)
            and self.content_id in ("", letter.about.content_id)
            and self.names_field(letter)
            and self.in_time(letter)
        )

    def names_field(self, letter: Letter) -> bool:
        """`data.links` also finds what lies below it."""
        named = (error.field for error in letter.errors)
        return not self.field or any(f"{one}.".startswith(f"{self.field}.") for one in named)

    def in_time(self, letter: Letter) -> bool:
        """Between its first and its last death it was dying, as it were."""
        last = letter.last or letter.at
        return (self.since is None or last >= utc(self.since)) and (
            self.until is None or letter.at < utc(self.until)
        )

    def reads(self, body: bytes) -> bool:
        """Whether *text* stands in the original, in upper or lower case."""
        return nfc(self.text).casefold() in nfc(body.decode("utf-8", "replace")).casefold()


def utc(moment: datetime) -> datetime:
    """A time without an offset means UTC, as in the lists."""
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
