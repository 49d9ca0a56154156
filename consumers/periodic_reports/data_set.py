"""The data set of a report: all it is made from, in one file of canonical lines.

The header is the first line, then come the gaps, then the rows. Names, texts and the plan are in
the header, so that the report can be made again when their sources have changed.
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from consumers.periodic_reports.errors import DataSetBroken
from consumers.periodic_reports.rows import Gap, Row, decode_row, dumps, encode_row, merge_lines
from consumers.private_files import new_file

_PIECE_BYTES = 1 << 20
_Model = TypeVar("_Model", bound=BaseModel)


class Former(BaseModel):
    """The figures of the span before, and the hash of the data set they come from."""

    model_config = ConfigDict(frozen=True)

    label: str
    sha256: str
    figures: Mapping[str, str | None]
    """By indicator; None for one without data."""


class Part(BaseModel):
    """A sealed data set whose rows a review has taken over."""

    model_config = ConfigDict(frozen=True)

    label: str
    first: date
    last: date
    sha256: str
    units: tuple[str, ...] | None = None
    """The units of its span; None in a review of an earlier version."""


class Header(BaseModel):
    """Which span the rows are of, and all that is not counted."""

    model_config = ConfigDict(frozen=True)

    v: int = 1
    label: str
    """How the report calls its span: `2026`."""
    period: Literal["year", "span", "review"] = "year"
    first: date
    last: date
    streams: Mapping[str, int] = {}
    """The last sequence that was read, by stream."""
    gaps: int = 0
    names: Mapping[str, Mapping[str, str]] = {}
    """The names of units, topics and channels, by id."""
    plan: Mapping[str, str] = {}
    """Planned values, by indicator."""
    former: Former | None = None
    parts: tuple[Part, ...] = ()
    """Of a review, in order; they follow one another without a day between."""
    texts: Mapping[str, Any] = {}


@dataclass(frozen=True)
class DataSet:
    """A data set in a file. Its methods raise OSError and DataSetBroken."""

    path: Path

    def header(self) -> Header:
        with self.path.open("rb") as file:
            return _parsed(Header, file.readline())

    def gaps(self) -> list[Gap]:
        with self.path.open("rb") as file:
            header = _parsed(Header, file.readline())
            return [_parsed(Gap, file.readline()) for _ in range(header.gaps)]

    def rows(self) -> Iterator[Row]:
        return map(_row, self.row_lines())

    def row_lines(self) -> Iterator[bytes]:
        """The rows as they are stored."""
        skipped = 1 + self.header().gaps
        with self.path.open("rb") as file:
            yield from islice(file, skipped, None)

    def sha256(self) -> str:
        digest = hashlib.sha256()
        with self.path.open("rb") as file:
            while piece := file.read(_PIECE_BYTES):
                digest.update(piece)
        return digest.hexdigest()


def write_data_set(path: Path, header: Header, gaps: Iterable[Gap], rows: Iterable[Row]) -> DataSet:
    """Write a data set; the same bytes for the same facts. Raises OSError, LevelTwice."""
    return write_lines(path, header, gaps, merge_lines(map(encode_row, rows)))


def write_lines(path: Path, header: Header, gaps: Iterable[Gap], lines: Iterable[bytes]) -> DataSet:
    """Write a data set of rows that are lines already, sorted. Raises OSError, LevelTwice."""
    with new_file(path) as file:
        _write_head(file, header, gaps)
        file.writelines(line + b"\n" for line in lines)
    return DataSet(path)


def join_data_sets(path: Path, header: Header, sets: Sequence[DataSet]) -> DataSet:
    """Write one data set of those that follow one another: their lines are sorted by days.

    Raises OSError, DataSetBroken.
    """
    with new_file(path) as file:
        _write_head(file, header, (gap for data in sets for gap in data.gaps()))
        for data in sets:
            file.writelines(data.row_lines())
    return DataSet(path)


def _write_head(file: BinaryIO, header: Header, gaps: Iterable[Gap]) -> None:
    lines = sorted({dumps(gap.model_dump(mode="json")) for gap in gaps})
    head = header.model_copy(update={"gaps": len(lines)})
    file.writelines(line + b"\n" for line in (dumps(head.model_dump(mode="json")), *lines))


def _parsed(model: type[_Model], line: bytes) -> _Model:
    try:
        return model.model_validate_json(line)
    except ValidationError as error:
        raise DataSetBroken(str(error)) from error


def _row(line: bytes) -> Row:
    try:
        return decode_row(line)
    except (ValueError, TypeError) as error:
        raise DataSetBroken(str(error)) from error
