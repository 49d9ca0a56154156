"""Parse the rows of a subscriber CSV file into subscribers or field errors."""

import csv
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import chain

from pydantic import BaseModel, ValidationError

from consumers.messages import field_error
from consumers.subscribers import validation
from contracts.errors import FieldError, damage_error, explain
from contracts.subscriptions.subscriber import Subscriber
from contracts.vocabulary import Vocabulary

CSV_COLUMNS = ("email", "name", "topics", "audiences", "units", "frequency")
_PREFERENCES = (*validation.LIST_FIELDS, "frequency")
_KNOWN_PREFERENCES = 256
_DELIMITERS = ",;\t"
_TOLD_DELIMITER = re.compile(r'"?sep=([^\w"])"?', re.IGNORECASE)
_GUARD = "'"
_FORMULA_SIGNS = ("=", "+", "-", "@", "\t", "\r", _GUARD)
_SURROGATE = re.compile("[\ud800-\udfff]")
_LINE_FIELD = "line"
_HEADER_FIELD = "header"


def format_row(subscriber: Subscriber) -> list[str]:
    """A subscriber as a row of the columns that an import takes."""
    values = {name: getattr(subscriber, name) for name in CSV_COLUMNS}
    texts = (
        ";".join(value) if isinstance(value, tuple) else str(value) for value in values.values()
    )
    return [_with_guard(text) for text in texts]


def _with_guard(cell: str) -> str:
    """A cell that no spreadsheet takes for a formula: an apostrophe goes before its first sign."""
    return _GUARD + cell if cell.startswith(_FORMULA_SIGNS) else cell


def _without_guard(cell: str) -> str:
    return cell[1:] if cell[:1] == _GUARD and cell[1:].startswith(_FORMULA_SIGNS) else cell


class RejectedRow(BaseModel):
    """A row that is not imported, with the error."""

    line: int
    field: str
    message: str
    message_vi: str


class CsvRows:
    """The rows of a file, read one by one."""

    def __init__(
        self, file: Iterable[str], vocabulary: Vocabulary, new_id: Callable[[], str]
    ) -> None:
        lines, delimiter = _find_delimiter(file)
        self.rows = csv.reader(lines, strict=True, delimiter=delimiter)
        self.vocabulary = vocabulary
        self.new_id = new_id
        self.check_preferences = lru_cache(_KNOWN_PREFERENCES)(self._check_preferences)

    def read(self, rejected: list[RejectedRow]) -> Iterator[Subscriber]:
        """Yield the valid rows; append the errors of the others to *rejected*."""
        rows = self.numbered_rows()
        number, header = next(rows, (1, []))
        columns = [] if isinstance(header, csv.Error) else [name.strip().lower() for name in header]
        if errors := _header_errors(columns):
            rejected.extend(_rejected_rows(number, errors))
            return
        for number, row in rows:
            parsed = self.parse_row(columns, row)
            if isinstance(parsed, Subscriber):
                yield parsed
            else:
                rejected.extend(_rejected_rows(number, parsed))

    def numbered_rows(self) -> Iterator[tuple[int, list[str] | csv.Error]]:
        """Yield the rows that are not empty, each with the number of its first line."""
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

    def count_error(self, count: int, expected: int) -> FieldError:
        """Too many fields, or too few; a list without quotes is split where `;` separates them."""
        is_split = count > expected and self.rows.dialect.delimiter == ";"
        code = "field_count_lists" if is_split else "field_count"
        return field_error(_LINE_FIELD, code, count=count, expected=expected)

    def _check_preferences(
        self, topics: str, audiences: str, units: str, frequency: str
    ) -> tuple[dict[str, object], list[FieldError]]:
        """The values of these cells with their errors; most rows repeat an earlier one's."""
        cells = zip(validation.LIST_FIELDS, (topics, audiences, units), strict=True)
        lists = {name: _split_list(cell) for name, cell in cells}
        chosen, errors = validation.check_frequency(frequency)
        faults = [*validation.unknown_values(lists, self.vocabulary), *errors]
        return {"frequency": chosen, **lists}, faults

    def parse_row(
        self, columns: Sequence[str], row: list[str] | csv.Error
    ) -> Subscriber | list[FieldError]:
        """Return one subscriber, or all errors of the row."""
        if isinstance(row, csv.Error):
            return [field_error(_LINE_FIELD, "csv", detail=row)]
        if len(row) != len(columns):
            return [self.count_error(len(row), len(columns))]
        if any(map(_SURROGATE.search, row)):
            return [field_error(_LINE_FIELD, "csv_encoding")]
        cells = dict(zip(columns, map(_without_guard, row), strict=True))
        address, faults = validation.check_email(cells["email"])
        preferences, errors = self.check_preferences(*map(cells.__getitem__, _PREFERENCES))
        faults += errors
        faults += filter(None, [damage_error("name", cells["name"])])
        own = {"id": self.new_id(), "email": address, "name": cells["name"]}
        try:
            subscriber = Subscriber.model_validate(own | preferences)
        except ValidationError as error:
            named = {fault.field for fault in faults}
            for fault in explain(error):
                column = fault.field.partition(".")[0]  # also of an error within a list
                if column not in named:
                    faults.append(fault.model_copy(update={"field": column}))
        return faults or subscriber


def _find_delimiter(file: Iterable[str]) -> tuple[Iterator[str], str]:
    """All lines of *file*, and the delimiter of its first line that has text.

    A line `sep=;` before it, which tells spreadsheets the delimiter, is left empty.
    """
    lines, read = iter(file), list[str]()
    for line in lines:
        if told := _TOLD_DELIMITER.fullmatch(line.strip()):
            return chain(read, ["\n"], lines), told[1]
        read.append(line)
        if any(map(str.isalnum, line)):
            break
    header = read[-1] if read else ""
    return chain(read, lines), max(_DELIMITERS, key=header.count)


def _rejected_rows(number: int, errors: Iterable[FieldError]) -> Iterator[RejectedRow]:
    return (RejectedRow(line=number, **error.model_dump()) for error in errors)


def _split_list(cell: str) -> tuple[str, ...]:
    """The words of *cell*; none has a comma, so both separators of spreadsheets will do."""
    return tuple(sorted({word for part in re.split("[;,]", cell) if (word := part.strip())}))


def _header_errors(columns: Sequence[str]) -> list[FieldError]:
    if any("\0" in name for name in columns):
        return [field_error(_HEADER_FIELD, "csv_utf16")]
    expected = ",".join(CSV_COLUMNS)
    if not set(columns) & set(CSV_COLUMNS):
        return [field_error(_HEADER_FIELD, "header", expected=expected)]
    unknown = [name for name in columns if name not in CSV_COLUMNS]
    missing = [name for name in CSV_COLUMNS if name not in columns]
    twice = sorted(name for name, count in Counter(columns).items() if count > 1)
    faults = [("unknown_column", unknown), ("missing_column", missing), ("repeated_column", twice)]
    named = [(code, name) for code, names in faults for name in names]
    return [field_error(_HEADER_FIELD, code, value=name, expected=expected) for code, name in named]
