"""Reading the lines of a subscribers' file: each is a subscriber, or says what is wrong with it."""

import csv
from collections.abc import Callable, Iterable, Iterator, Sequence

from pydantic import BaseModel, ValidationError

from consumers.faults import fault
from consumers.readers.wishes import LISTS, email, frequency, unknown
from contracts.errors import FieldError, explain
from contracts.subscriber import Subscriber
from contracts.vocabulary import Vocabulary

COLUMNS = ("email", "name", "topics", "audiences", "units", "frequency")
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
        rhythm, wrong = frequency(cells["frequency"])
        faults += [*unknown(wishes, self.vocabulary), *wrong]
        own = {"id": self.new_id(), "email": address, "name": cells["name"], "frequency": rhythm}
        try:
            person = Subscriber.model_validate(own | wishes)
        except ValidationError as error:
            named = {one.field for one in faults}
            faults += [one for one in map(by_column, explain(error)) if one.field not in named]
        return faults or person


def refused(number: int, faults: Iterable[FieldError]) -> Iterator[Rejected]:
    return (Rejected(line=number, **one.model_dump()) for one in faults)


def listed(cell: str) -> tuple[str, ...]:
    """The entries of a list cell, sorted, each once."""
    return tuple(sorted({word for part in cell.split(";") if (word := part.strip())}))


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
