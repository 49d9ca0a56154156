"""JSON records in a bucket, read with their revision and changed by compare-and-set."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from pydantic import BaseModel, ValidationError

from producers.bus import Bucket, NoReply, RevisionConflict

V = TypeVar("V")
V_co = TypeVar("V_co", covariant=True)
T = TypeVar("T", bound=BaseModel)
_MAX_TRIES = 50


@dataclass(frozen=True, slots=True)
class Versioned(Generic[V_co]):
    """A key's value at a revision (0: absent); `just_written`: by this caller."""

    value: V_co
    revision: int = 0
    just_written: bool = False


def require(value: V | None) -> V:
    """*value*. Raises LookupError when there is none."""
    if value is None:
        raise LookupError("the record vanished")
    return value


def parse(kind: type[T], data: bytes) -> T | None:
    """Return a record; None if this version can't read it."""
    try:
        return kind.model_validate_json(data)
    except ValidationError:
        return None


def parse_stored(kind: type[T], key: str, data: bytes) -> T:
    """Return the record of *key*. Raises ValidationError with *key* as a note."""
    try:
        return kind.model_validate_json(data)
    except ValidationError as error:
        error.add_note(key)
        raise


async def read(bucket: Bucket, key: str, kind: type[T]) -> Versioned[T | None]:
    value = await bucket.get(key)
    if value is None:
        return Versioned(None)
    return Versioned(parse_stored(kind, key, value.data), value.revision)


async def read_or_absent(bucket: Bucket, key: str, kind: type[T]) -> Versioned[T | None]:
    """Like `read`; a record that this version can't read counts as absent, and may be replaced."""
    value = await bucket.get(key)
    return Versioned(parse(kind, value.data), value.revision) if value else Versioned(None)


async def write(bucket: Bucket, key: str, value: T, revision: int) -> Versioned[T]:
    """Replace *revision* (0: the key is absent). Raises like `Bucket.swap`."""
    stored_at = await bucket.swap(key, value.model_dump_json().encode(), revision)
    return Versioned(value, stored_at, just_written=True)


async def update(
    bucket: Bucket,
    key: str,
    kind: type[T],
    transition: Callable[[T | None], T],
    known: Versioned[T | None] | None = None,
    *,
    is_idempotent: bool = True,
) -> Versioned[T]:
    """Replace the value of *key* by `transition(value)`, and retry after a lost compare-and-set.

    An idempotent *transition* is applied again after a write without reply, when it may see its own
    result; otherwise NoReply is raised at once. Raises NoReply if the bus is unavailable,
    RevisionConflict after MAX_TRIES lost writes.
    """
    for _ in range(_MAX_TRIES):
        known = known or await read(bucket, key, kind)
        wanted = transition(known.value)
        if wanted == known.value:
            return Versioned(wanted, known.revision)
        try:
            return await write(bucket, key, wanted, known.revision)
        except RevisionConflict:
            known = None
        except NoReply:
            if not is_idempotent:
                raise
            known = None
    raise RevisionConflict(f"{bucket.name}.{key} changed {_MAX_TRIES} times")


async def update_or_create(
    bucket: Bucket,
    key: str,
    kind: type[T],
    transition: Callable[[T], T],
    known: Versioned[T | None] | None = None,
    *,
    is_idempotent: bool = True,
) -> Versioned[T]:
    """Like `update`; an absent value counts as `kind()`."""

    def change(stored: T | None) -> T:
        return transition(kind() if stored is None else stored)

    return await update(bucket, key, kind, change, known, is_idempotent=is_idempotent)
