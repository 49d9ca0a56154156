"""The ledger's text form: small JSON that `nats kv get` shows readably.

A state keeps one letter per row and one table of reasons; only rows that differ from a first
attempt have a note: `"x": {"17": [attempts, due, reason number]}`, and in `"f"` when that began.
`"d"` has the causes of doubts: `[at, rows, cause, detail, seen]`; `"g"` says when deliveries
reached their marks. Both only explain: what a later version writes there is left out.
"""

import json
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import asdict, astuple, dataclass, field, fields
from typing import Any

from consumers.ledger.cursor import PlanCursor
from consumers.ledger.doubts import Doubt, DoubtCause
from consumers.ledger.entry import LedgerEntry, RowNote
from consumers.ledger.errors import UnreadableValue
from contracts.delivery import Lane, PlanKey

_FORMAT = 1
_CORRECTION_MARK, _ITEM_MASK_MARK = "*", ":"
_STATE_FIELDS = {
    "n": "lane",
    "a": "created",
    "o": "owner",
    "l": "lease_until",
    "t": "due",
    "k": "wake_number",
    "h": "halt",
    "z": "effects_until",
    "c": "closed_at",
    "m": "possible_copies",
    "w": "write_id",
}
_NOTICE_FIELDS = {"s": "notice_seq", "p": "notice_event_id"}
"""Key → field of an entry; the fields of a notice are stored only if they are set."""
_CURSOR_FIELDS = {one.name for one in fields(PlanCursor)}
DECODE_ERRORS = (ValueError, LookupError, TypeError, AttributeError)
"""Errors of decoding a damaged value, or one of another version."""


@dataclass(frozen=True, slots=True)
class BatchRows:
    """The frozen recipients of a batch; `corrections` got (or may have got) an earlier text.

    `item_masks`: the items of a digest that each recipient gets, as a bit mask; of a bulletin those
    that it has had. `earlier_mails` (not stored): the mails that brought the earlier text to
    recipients of a digest.
    """

    ids: tuple[str, ...]
    corrections: frozenset[str] = frozenset()
    item_masks: Mapping[str, int] = field(default_factory=dict)
    earlier_mails: Mapping[str, tuple[PlanKey, ...]] = field(default_factory=dict)


def dump_json(value: dict[str, Any]) -> bytes:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


def _load_json(data: bytes) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(data)
    if value.get("v") != _FORMAT:
        raise UnreadableValue(f"ledger format {value.get('v')!r}")
    return value


def encode_state(entry: LedgerEntry) -> bytes:
    value: dict[str, Any] = {"v": _FORMAT, "r": entry.rows.decode()}
    value |= {key: getattr(entry, name) for key, name in _STATE_FIELDS.items()}
    notice = {key: getattr(entry, name) for key, name in _NOTICE_FIELDS.items()}
    value |= {key: fact for key, fact in notice.items() if fact}
    if entry.doubts:
        value["d"] = [astuple(doubt) for doubt in entry.doubts]
    if entry.progress:
        value["g"] = entry.progress
    if entry.notes:
        notes = entry.notes.items()
        reasons = list(dict.fromkeys(note.reason for _, note in notes))
        numbers = {reason: number for number, reason in enumerate(reasons)}
        value["q"] = reasons
        value["x"] = {str(row): [one.attempts, one.due, numbers[one.reason]] for row, one in notes}
        value["f"] = {str(row): int(note.since) for row, note in notes if note.since}
    return dump_json(value)


def decode_state(data: bytes) -> LedgerEntry:
    value = _load_json(data)
    reasons, since = value.get("q", []), value.get("f", {})
    facts = {name: value[key] for key, name in _STATE_FIELDS.items()}
    facts |= {name: value[key] for key, name in _NOTICE_FIELDS.items() if key in value}
    facts["lane"] = Lane(facts["lane"])
    notes = {
        int(row): RowNote(attempts, due, reasons[number], float(since.get(row, 0)))
        for row, (attempts, due, number) in value.get("x", {}).items()
    }
    facts |= {"doubts": _known_doubts(value), "progress": _known_progress(value)}
    return LedgerEntry(rows=value["r"].encode(), notes=notes, **facts)


def _known_doubts(value: Mapping[str, Any]) -> tuple[Doubt, ...]:
    """The causes that this version can read: they explain copies, and decide nothing."""
    known = list[Doubt]()
    with suppress(*DECODE_ERRORS):
        for stored in value.get("d", ()):
            with suppress(*DECODE_ERRORS):
                at, rows, cause, *rest = stored
                known.append(Doubt(float(at), int(rows), DoubtCause(cause), *rest[:2]))
    return tuple(known)


def _known_progress(value: Mapping[str, Any]) -> tuple[float, ...]:
    """The times of deliveries, if this version can read them."""
    with suppress(*DECODE_ERRORS):
        return tuple(map(float, value.get("g", ())))
    return ()


def encode_rows(
    ids: Iterable[str], corrections: frozenset[str], item_masks: Mapping[str, int] | None = None
) -> bytes:
    masks = item_masks or {}
    return ",".join(_encode_row(id, id in corrections, masks.get(id, 0)) for id in ids).encode()


def _encode_row(id: str, is_correction: bool, mask: int) -> str:
    marked = f"{id}{_CORRECTION_MARK}" if is_correction else id
    return f"{marked}{_ITEM_MASK_MARK}{mask:x}" if mask else marked


def decode_rows(data: bytes) -> BatchRows:
    text = data.decode()
    marked, masks = text.split(","), dict[str, int]()
    if _ITEM_MASK_MARK in text:
        parts = [one.partition(_ITEM_MASK_MARK) for one in marked]
        marked = [name for name, _, _ in parts]
        masks = {_id_of(name): int(mask, 16) for name, _, mask in parts if mask}
    corrections = frozenset(one[:-1] for one in marked if one.endswith(_CORRECTION_MARK))
    return BatchRows(tuple(map(_id_of, marked)), corrections, masks)


def _id_of(marked: str) -> str:
    return marked.removesuffix(_CORRECTION_MARK)


def encode_cursor(cursor: PlanCursor) -> bytes:
    facts = asdict(cursor)
    if not cursor.removed:
        del facts["removed"], facts["counts"]
    return dump_json({"v": _FORMAT, **facts})


def decode_cursor(data: bytes) -> PlanCursor:
    value = _load_json(data)
    known = {name: value[name] for name in _CURSOR_FIELDS & value.keys()}
    return PlanCursor(**known | {"lane": Lane(value["lane"])})
