"""What two rooms keep together in the buckets: the doors book it, intake goes by it."""

from pydantic import AwareDatetime, BaseModel, ConfigDict

from contracts.errors import FieldError


class Record(BaseModel):
    """Frozen; what a newer version has added is kept when an older one writes the record."""

    model_config = ConfigDict(frozen=True, extra="allow", use_attribute_docstrings=True)


class EventRecord(Record):
    """Bucket `events`, for ever: an event's identity, and what it said as a hash."""

    hash: str
    unit: str
    content_id: str
    revision: int | None
    type: str
    at: AwareDatetime
    refused: tuple[FieldError, ...] = ()
    """Why intake refused it, if that is how its last try ended."""


class Ownership(Record):
    """Bucket `publications`, key `<content_id>`: whose it is; `consumers.items` adds the rest."""

    unit: str
    revision: int = 0
    """The highest released position, be it a withdrawal."""
