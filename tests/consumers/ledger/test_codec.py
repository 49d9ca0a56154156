"""Stored form of the ledger: letters of one meaning, small values, no other format."""

import json
import string
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumers.ledger import codec, errors
from consumers.ledger.cursor import PlanCursor
from consumers.ledger.doubts import Doubt, DoubtCause
from consumers.ledger.entry import (
    OPEN_LETTERS,
    REACHED_LETTERS,
    STATUS_OF_LETTER,
    is_maybe,
    keep_maybe,
    planned_entry,
)
from contracts.delivery import OPEN as OPEN_STATUSES
from contracts.delivery import Lane
from tests.support.ledger_rules import NOW


@given(st.sampled_from(string.ascii_letters))
def test_every_letter_has_one_meaning(letter):
    code = ord(letter)
    if code not in STATUS_OF_LETTER:
        return
    assert (code in OPEN_LETTERS) == (STATUS_OF_LETTER[code] in OPEN_STATUSES)
    assert keep_maybe(ord(letter.lower()), code) == code
    if is_maybe(code):
        assert code in REACHED_LETTERS, "a maybe must hear of a correction"


def test_a_state_of_500_rows_stays_small_and_readable():
    state = replace(planned_entry(500, Lane.NORMAL, NOW), owner="h.email.0#ab#1")
    assert len(codec.encode_state(state)) < 800
    assert b'"r":"pppp' in codec.encode_state(state)


def test_rows_keep_who_must_be_told_of_a_correction():
    data = codec.encode_rows(["a", "b", "c"], frozenset({"b"}))
    assert data == b"a,b*,c"
    assert codec.decode_rows(data) == codec.BatchRows(("a", "b", "c"), frozenset({"b"}))


def test_rows_of_a_bulletin_keep_what_each_has_had_beside_who_is_told_of_a_correction():
    rows = codec.BatchRows(("a", "b", "c", "d"), frozenset({"b", "c"}), {"c": 0b1010, "d": 1})
    data = codec.encode_rows(rows.ids, rows.corrections, rows.item_masks)
    assert data == b"a,b*,c*:a,d:1"
    assert codec.decode_rows(data) == rows


def test_a_doubled_recipient_of_a_digest_stays_visible():
    """Rows keep their numbers, and `loa check` can report the recipient."""
    assert codec.decode_rows(b"a:1,a:2,b:1").ids == ("a", "a", "b")


@pytest.mark.promise("11.3")
def test_a_field_of_a_later_version_leaves_entry_and_cursor_readable():
    cursor = PlanCursor(last="b", count=2, planned=700, total=900, created=NOW)
    entry = planned_entry(3, Lane.URGENT, NOW)
    later = {"later": {"than": "this"}}
    assert codec.decode_cursor(with_fields(codec.encode_cursor(cursor), **later)) == cursor
    assert codec.decode_state(with_fields(codec.encode_state(entry), **later)) == entry


def with_fields(data: bytes, **more: object) -> bytes:
    return codec.dump_json(json.loads(data) | more)


def test_what_a_later_version_explains_otherwise_leaves_the_rows_readable():
    known = Doubt(1.0, 2, DoubtCause.ENDED, "w1", 0.5)
    entry = replace(planned_entry(2, Lane.NORMAL, NOW), doubts=(known,), progress=(1.0, 2.0))
    value = json.loads(codec.encode_state(entry))
    told = value["d"][0]
    value["d"] = [[1.0, 1, "moon", "", 0.0], [*told, "more"], {"at": 1}, 7]
    assert codec.decode_state(json.dumps(value).encode()) == entry
    value |= {"d": 7, "g": {"first": 1.0}}
    bare = replace(entry, doubts=(), progress=())
    assert codec.decode_state(json.dumps(value).encode()) == bare


def test_a_ledger_value_of_another_format_is_refused():
    with pytest.raises(errors.UnreadableValue):
        codec.decode_state(b'{"v":2}')
