"""Reading the lines of a subscribers' file: each is a subscriber, or says what is wrong with it."""

import csv
from collections.abc import Callable, Iterable, Iterator, Sequence

from email_validator import EmailNotValidError, validate_email
from pydantic import BaseModel, ValidationError
from pydantic_core import PydanticCustomError

from consumers.faults import fault
from contracts import errors, events, text
from contracts.errors import FieldError, explain
from contracts.subscriber import Subscriber
from contracts.vocabulary import Vocabulary

COLUMNS = ("email", "name", "topics", "audiences", "units", "frequency")
LISTS = ("topics", "audiences", "units")
DIGESTS = ("daily", "weekly")
LINE = "line"
HEADER = "header"


class Rejected(BaseModel):
    """A line that is not imported, and why."""

    line: int
    field: str
    message: str
    message_vi: str


class Lines:
    """A file's lines, read one by one."""

    def __init__(
        self, file: Iterable[str], vocabulary: Vocabulary, new_id: Callable[[], str]
    ) -> None:
        self.rows = csv.reader(file, strict=True)
        self.vocabulary = vocabulary
        self.new_id = new_id

    def read(self, rejected: list[Rejected]) -> Iterator[Subscriber]:
        """The good lines; what is wrong with the others goes into *rejected*."""
        rows = self.numbered()
        number, header = next(rows, (1, []))
        columns = [] if isinstance(header, csv.Error) else [one.strip().lower() for one in header]
        if wrong := header_faults(columns):
            rejected.extend(refused(number, wrong))
            return
        for number, row in rows:
            found = self.line(columns, row)
            if isinstance(found, Subscriber):
                yield found
            else:
                rejected.extend(refused(number, found))

    def numbered(self) -> Iterator[tuple[int, list[str] | csv.Error]]:
        """Rows that are not empty, with the number of the line they begin on."""
        while True:
            number = self.rows.line_num + 1
            try:
                row = next(self.rows)
            except StopIteration:
                return
            except csv.Error as error:
                yield number, error
                continue
            if any(cell.strip() for cell in row):
                yield number, row

    def line(
        self, columns: Sequence[str], row: list[str] | csv.Error
    ) -> Subscriber | list[FieldError]:
        """One person, or everything that is wrong with the line."""
        if isinstance(row, csv.Error):
            return [fault(LINE, "csv", detail=row)]
        if len(row) != len(columns):
            return [fault(LINE, "field_count", count=len(row), expected=len(columns))]
        if any("\ud800" <= character <= "\udfff" for cell in row for character in cell):
            return [fault(LINE, "csv_encoding")]
        cells = dict(zip(columns, row, strict=True))
        address, faults = email(cells["email"])
        wishes = {name: listed(cells[name]) for name in LISTS}
        faults += [*self.unknown(wishes), *frequency(cells["frequency"])]
        try:
            person = Subscriber.model_validate(
                {"id": self.new_id(), "email": address, "name": cells["name"], **wishes}
            )
        except ValidationError as error:
            named = {one.field for one in faults}
            faults += [one for one in map(by_column, explain(error)) if one.field not in named]
        return faults or person

    def unknown(self, wishes: dict[str, tuple[str, ...]]) -> Iterator[FieldError]:
        """Words that nobody can wish for."""
        judges = {"topics": self.topic, "audiences": self.audience, "units": self.unit}
        for column, words in wishes.items():
            yield from (wrong for word in words if (wrong := judges[column](word)))

    def topic(self, word: str) -> FieldError | None:
        if not self.vocabulary.knows("topic", word):
            return errors.fault("topics", "unknown_topic", value=word)
        if not self.vocabulary.topics[word].subscribable:
            return fault("topics", "system_topic", value=word)
        return None

    def audience(self, word: str) -> FieldError | None:
        known = self.vocabulary.knows("audience", word)
        return None if known else errors.fault("audiences", "unknown_audience", value=word)

    def unit(self, word: str) -> FieldError | None:
        return events.unit_fault("units", word, self.vocabulary)


def refused(number: int, faults: Iterable[FieldError]) -> Iterator[Rejected]:
    return (Rejected(line=number, **one.model_dump()) for one in faults)


def email(cell: str) -> tuple[str, list[FieldError]]:
    """The address as it is kept (the domain in ASCII); a bad one comes with its faults.

    When it is bad, a placeholder stands in, so that the rest of the line is judged as well.
    """
    stand_in = "someone@example.com"
    try:
        found = validate_email(text.line(cell), check_deliverability=False)
    except PydanticCustomError as error:
        return stand_in, [errors.fault("email", error.type, **(error.context or {}))]
    except EmailNotValidError:
        return stand_in, [errors.fault("email", "email")]
    if found.smtputf8 or not found.ascii_email:
        return stand_in, [fault("email", "email_local_ascii")]
    return found.ascii_email, []


def listed(cell: str) -> tuple[str, ...]:
    """The entries of a list cell, sorted, each once."""
    return tuple(sorted({word for part in cell.split(";") if (word := part.strip())}))


def frequency(cell: str) -> list[FieldError]:
    wanted = cell.strip().lower()
    if wanted in ("", "immediate"):
        return []
    code = "digest_later" if wanted in DIGESTS else "unknown_frequency"
    return [fault("frequency", code, value=cell.strip())]


def header_faults(columns: Sequence[str]) -> list[FieldError]:
    """What is wrong with the first line."""
    expected = ",".join(COLUMNS)
    if not set(columns) & set(COLUMNS):
        return [fault(HEADER, "header", expected=expected)]
    unknown = [name for name in columns if name not in COLUMNS]
    missing = [name for name in COLUMNS if name not in columns]
    twice = sorted({name for name in columns if columns.count(name) > 1})
    return [
        *(fault(HEADER, "unknown_column", value=name, expected=expected) for name in unknown),
        *(fault(HEADER, "missing_column", value=name, expected=expected) for name in missing),
        *(fault(HEADER, "repeated_column", value=name) for name in twice),
    ]


def by_column(error: FieldError) -> FieldError:
    """A list's entry is named by its column."""
    return error.model_copy(update={"field": error.field.partition(".")[0]})
