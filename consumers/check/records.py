"""Read records of buckets in bulk, without failing at unreadable ones."""

from collections.abc import Sequence
from typing import TypeVar

from pydantic import BaseModel

from producers.bus import Bucket
from producers.bus.records import parse

Kind = TypeVar("Kind", bound=BaseModel)


async def read_records(bucket: Bucket, names: Sequence[str], kind: type[Kind]) -> dict[str, Kind]:
    """Read records by key, without absent and unreadable ones."""
    values = await bucket.get_many(names)
    records = {key: parse(kind, value.data) for key, value in values.items()}
    return {key: record for key, record in records.items() if record is not None}
