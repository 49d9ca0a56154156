"""Identity: the golden vectors hold for ever, and what means the same has the same key."""

import hashlib
import json
import re
import unicodedata
from base64 import b32encode
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

import contracts
from contracts import keys
from contracts.base.fields import ID_PATTERN
from contracts.keys import base32

VECTORS = json.loads((Path(contracts.__file__).parent / "schemas" / "vectors.json").read_text())

words = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=30)
data = st.dictionaries(
    words,
    st.recursive(
        st.none() | st.booleans() | st.integers() | words,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3),
        max_leaves=8,
    ),
    max_size=4,
)


def composed(value, form):
    """Every text inside in another form; only for values whose keys do not collide then."""
    if isinstance(value, str):
        return unicodedata.normalize(form, value)
    if isinstance(value, list):
        return [composed(part, form) for part in value]
    if isinstance(value, dict):
        return {composed(key, form): composed(part, form) for key, part in value.items()}
    return value


@pytest.mark.parametrize("vector", VECTORS["digest"], ids=repr)
def test_digest(vector):
    assert keys.digest(*vector["parts"]) == vector["digest"]
    raw = hashlib.sha256("\0".join(vector["parts"]).encode()).digest()
    assert b32encode(raw).decode().strip("=").lower() == vector["digest"]


@pytest.mark.parametrize("vector", VECTORS["event_id"], ids=lambda vector: vector["id"])
def test_event_id(vector):
    assert keys.event_id(vector["unit"], vector["source"], vector["id"]) == vector["event_id"]


@pytest.mark.parametrize("vector", VECTORS["content_hash"], ids=lambda one: one["content_hash"])
def test_content_hash(vector):
    assert keys.content_hash(vector["type"], vector["data"]) == vector["content_hash"]
    assert keys.digest(vector["canonical"]) == vector["content_hash"]


def test_one_vector_is_the_same_text_decomposed():
    first, second = VECTORS["content_hash"][:2]
    assert first["data"] != second["data"]
    assert first["content_hash"] == second["content_hash"]


@pytest.mark.parametrize("vector", VECTORS["publication_key"], ids=repr)
def test_publication_key(vector):
    key = keys.publication_key(vector["content_id"], vector["revision"])
    assert key == vector["publication_key"]


@pytest.mark.parametrize("vector", VECTORS["delivery"], ids=lambda vector: vector["channel"])
def test_delivery_key_and_what_is_made_from_it(vector):
    names = ("content_id", "revision", "channel", "recipient_id")
    key = keys.delivery_key(*(vector[name] for name in names))
    assert key == vector["delivery_key"]
    assert keys.message_id(key, vector["domain"]) == vector["message_id"]
    assert keys.tracking_id(key) == vector["tracking_id"]


@pytest.mark.parametrize("vector", VECTORS["case_content_id"], ids=lambda one: one["case_code"])
def test_case_content_id(vector):
    content_id = keys.case_content_id(vector["case_code"])
    assert content_id == vector["content_id"]
    assert re.fullmatch(ID_PATTERN, content_id)


@given(data)
def test_the_hash_does_not_see_how_text_was_composed_or_fields_ordered(said):
    decomposed = composed(said, "NFD")
    assume(composed(decomposed, "NFC") == composed(said, "NFC"))  # keys may collide
    backwards = dict(reversed(list(decomposed.items())))
    assert keys.content_hash("t", backwards) == keys.content_hash("t", composed(said, "NFC"))


@given(data, data)
def test_other_content_has_another_hash(one, other):
    written = [json.dumps(composed(data, "NFC"), sort_keys=True) for data in (one, other)]
    same = written[0] == written[1]
    assert (keys.content_hash("t", one) == keys.content_hash("t", other)) is same
    assert keys.content_hash("t", one) != keys.content_hash("u", one)


def test_true_is_not_one():
    assert keys.content_hash("t", {"a": True}) != keys.content_hash("t", {"a": 1})


@given(st.lists(words, min_size=3, max_size=3), st.lists(words, min_size=3, max_size=3))
def test_an_event_id_belongs_to_one_unit_source_and_id(one, other):
    assert (keys.event_id(*one) == keys.event_id(*other)) is (one == other)
    assert re.fullmatch("[a-z2-7]{26}", keys.event_id(*one))


def test_every_effect_has_its_own_key():
    effects = [
        ("a", 1, "email", "s1"),
        ("a", 2, "email", "s1"),
        ("a", 1, "zalo", "s1"),
        ("a", 1, "email", "s2"),
        ("a1", 1, "email", "s1"),
    ]
    assert len({keys.delivery_key(*effect) for effect in effects}) == len(effects)


def test_derived_names_fit_where_they_go():
    key = keys.delivery_key("a", 1, "zalo", "s1")
    assert re.fullmatch("[a-z2-7]{52}", key)
    assert len(keys.tracking_id(key)) == 48
    assert len(keys.message_id(key, "thongbao.moha.gov.vn")) < 78


@given(st.lists(st.binary(min_size=32, max_size=32), max_size=60))
def test_base32_of_many_is_the_librarys_of_each(digests):
    plain = [b32encode(one).decode().rstrip("=").lower() for one in digests]
    assert base32(digests) == plain


@given(st.lists(st.text(min_size=1, max_size=20), max_size=30), st.integers(1, 10**6))
def test_the_keys_of_a_window_are_the_keys_of_its_rows(ids, revision):
    known = ("tin", revision, "email")
    assert keys.delivery_keys(*known, ids) == [keys.delivery_key(*known, one) for one in ids]
