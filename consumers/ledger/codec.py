"""The ledger's text form: small JSON that `nats kv get` shows readably.

A state keeps one letter per row and one table of reasons; only rows that differ from a first
attempt have a note: `"x": {"17": [attempts, due, reason number]}`, and in `"f"` when that began.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from consumers.ledger.cursor import Cursor
from consumers.ledger.entry import Entry, Note
from contracts.delivery import Lane, PlanKey

FORMAT = 1
CORRECTION, PICKS = "*", ":"


class Unreadable(ValueError):
    """A ledger value that this version can't read."""


BROKEN = (ValueError, LookupError, TypeError, AttributeError)
"""What decoding raises for values of another version, or that are damaged."""


@dataclass(frozen=True, slots=True)
class Rows:
    """The frozen recipients of a batch; `corrections` got (or may have got) an earlier text.

    `picks`: which of a digest's items each of them gets, as a bit mask. `had`, which is found out
    and not stored: the mails in which those got the earlier text who had it in a digest.
    """

    ids: tuple[str, ...]
    corrections: frozenset[str] = frozenset()
    picks: Mapping[str, int] = field(default_factory=dict)
    had: Mapping[str, tuple[PlanKey, ...]] = field(default_factory=dict)


def dumps(value: dict[str, Any]) -> bytes:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


def loads(data: bytes) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(data)
    if value.get("v") != FORMAT:
        raise Unreadable(f"ledger format {value.get('v')!r}")
    return value


def encode_state(entry: Entry) -> bytes:
    value = {
        "v": FORMAT,
        "r": entry.rows.decode(),
        "n": entry.lane.value,
        "a": entry.created,
        "o": entry.owner,
        "l": entry.lease,
        "t": entry.due,
        "k": entry.wake,
        "h": entry.halt,
        "z": entry.settle,
        "c": entry.closed,
        "m": entry.copies,
        "w": entry.write,
    }
    if entry.source:
        value["s"] = entry.source
    if entry.person:
        value["p"] = entry.person
    if entry.notes:
        reasons = list(dict.fromkeys(note.reason for note in entry.notes.values()))
        numbers = {reason: number for number, reason in enumerate(reasons)}
        value["q"] = reasons
        value["x"] = {
            str(row): [note.attempts, note.due, numbers[note.reason]]
            for row, note in entry.notes.items()
        }
        value["f"] = {str(row): int(note.since) for row, note in entry.notes.items() if note.since}
    return dumps(value)


def decode_state(data: bytes) -> Entry:
    value = loads(data)
    reasons, since = value.get("q", []), value.get("f", {})
    return Entry(
        rows=value["r"].encode(),
        lane=Lane(value["n"]),
        created=value["a"],
        owner=value["o"],
        lease=value["l"],
        due=value["t"],
        wake=value["k"],
        halt=value["h"],
        settle=value["z"],
        closed=value["c"],
        copies=value["m"],
        source=value.get("s", 0),
        person=value.get("p", ""),
        write=value["w"],
        notes={
            int(row): Note(attempts, due, reasons[number], float(since.get(row, 0)))
            for row, (attempts, due, number) in value.get("x", {}).items()
        },
    )


def encode_rows(
    ids: Iterable[str], corrections: frozenset[str], picks: Mapping[str, int] | None = None
) -> bytes:
    if picks:
        return ",".join(f"{id}{PICKS}{picks[id]:x}" for id in ids).encode()
    return ",".join(f"{id}{CORRECTION}" if id in corrections else id for id in ids).encode()


def decode_rows(data: bytes) -> Rows:
    text = data.decode()
    marked = text.split(",")
    if PICKS in text:
        picked = [one.split(PICKS) for one in marked]
        return Rows(tuple(id for id, _ in picked), picks={id: int(mask, 16) for id, mask in picked})
    return Rows(
        tuple(id.removesuffix(CORRECTION) for id in marked),
        frozenset(id[:-1] for id in marked if id.endswith(CORRECTION)),
    )


def encode_cursor(cursor: Cursor) -> bytes:
    return dumps(
        {
            "v": FORMAT,
            "last": cursor.last,
            "count": cursor.count,
            "planned": cursor.planned,
            "total": cursor.total,
            "complete": cursor.complete,
            "halt": cursor.halt,
            "source": cursor.source,
            "lane": cursor.lane.value,
            "doubt": cursor.doubt,
            "created": cursor.created,
            "finished": cursor.finished,
        }
    )


def decode_cursor(data: bytes) -> Cursor:
    value = loads(data)
    del value["v"]
    return Cursor(**{**value, "lane": Lane(value["lane"])})
