"""Golden vectors: what was published never changes, and one wrong answer is found."""

import hashlib
import json
import unicodedata
from copy import deepcopy
from pathlib import Path

import pytest

import contracts
from contracts.schemas import vectors

COMMITTED = json.loads((Path(contracts.__file__).parent / "schemas" / "vectors.json").read_text())
FIRST = {
    "digest": 5,
    "event_id": 3,
    "content_hash": 3,
    "publication_key": 2,
    "delivery": 4,
    "case_content_id": 2,
}
"""The vectors of the first publication, which were pinned together."""
FIRST_DIGEST = "b84ea4c51af1b7c88e8152e8c80c1f1abf207776d8b66f3da4555efd068c5b6c"
PINNED = {
    "digest": (18, "1a7c9d39ae82"),
    "event_id": (16, "a44602a5cfdb"),
    "content_hash": (46, "434b54ba9903"),
    "publication_key": (5, "79e5d79e6740"),
    "delivery": (10, "249b84973609"),
    "case_content_id": (4, "e76bd7e9933a"),
    "normalisation": (28, "17246fc3f786"),
    "key_order": (10, "ca208d8bfef7"),
    "line": (30, "9d3798f49020"),
    "revision": (18, "905848936f18"),
    "time": (47, "4531affbae73"),
    "id": (18, "231196fa8f58"),
    "source": (17, "ae70eece7875"),
    "subject": (8, "037d97ac3599"),
    "publication_subject": (2, "a35472aa8a73"),
    "msg_id": (3, "cf1dc7f91036"),
    "header": (13, "606e5552e4b5"),
    "header_read": (19, "309427f33f85"),
    "day": (16, "d8feb3f4710d"),
    "case_code": (13, "f624e7ab4fac"),
}
"""The vectors of each group that were published: their number and a hash. A group only grows."""


def hash_of(value):
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def test_the_first_vectors_are_the_ones_that_were_published():
    first = {name: COMMITTED[name][:number] for name, number in FIRST.items()}
    assert hash_of(first | {"about": ""}) == FIRST_DIGEST


@pytest.mark.parametrize("group", vectors.GROUPS)
def test_what_was_published_of_a_group_never_changes(group):
    number, published = PINNED[group]
    assert hash_of(COMMITTED[group][:number])[:12] == published
    assert len(COMMITTED[group]) == number, "pin the new ones, too"


def test_there_are_some_hundreds_each_once_and_every_group_says_what_it_is():
    entries = [(name, json.dumps(one)) for name in vectors.GROUPS for one in COMMITTED[name]]
    assert len(entries) == len(set(entries)) >= 200
    assert COMMITTED.keys() == {"about", "descriptions", *vectors.GROUPS}
    assert COMMITTED["descriptions"].keys() == vectors.GROUPS.keys()


def test_this_code_gives_every_answer():
    assert vectors.find_differences(COMMITTED) == []


def answer_words(group, vector):
    return [word for word in vector if word not in vectors.GROUPS[group].names]


@pytest.mark.parametrize("group", vectors.GROUPS)
def test_one_wrong_answer_is_found_by_its_place(group):
    for number in (0, len(COMMITTED[group]) - 1):
        document = deepcopy(COMMITTED)
        vector = document[group][number]
        word = answer_words(group, vector)[-1]
        vector[word] = ["wrong"]
        assert vectors.find_differences(document) == [f"{group}[{number}]: {word}"]


@pytest.mark.parametrize("group", vectors.GROUPS)
def test_an_answer_that_is_missing_is_found(group):
    document = deepcopy(COMMITTED)
    vector = document[group][0]
    word = answer_words(group, vector)[0]
    del vector[word]
    assert vectors.find_differences(document) == [f"{group}[0]: {word}"]
    del vector[vectors.GROUPS[group].names[0]], document[group]
    assert vectors.find_differences(document) == [f"{group}: is missing"]


def test_an_input_that_is_refused_may_not_be_taken():
    document = deepcopy(COMMITTED)
    number = next(n for n, one in enumerate(document["time"]) if "refused" in one)
    document["time"][number] = {"text": document["time"][number]["text"], "utc": "2026"}
    named = [f"time[{number}]: {word}" for word in ("refused", "utc")]
    assert vectors.find_differences(document) == named


def test_vietnamese_stands_in_it_composed_and_decomposed():
    titles = [one["data"]["title"] for one in COMMITTED["content_hash"] if "title" in one["data"]]
    composed = [title for title in titles if unicodedata.is_normalized("NFC", title)]
    hashes = {
        form: {
            one["content_hash"]
            for one in COMMITTED["content_hash"]
            if one["data"].get("title") in some
        }
        for form, some in {"NFC": composed, "NFD": set(titles) - set(composed)}.items()
    }
    assert len(hashes["NFC"] & hashes["NFD"]) >= 6


def test_keys_above_the_basic_plane_are_in_code_point_order_which_utf_16_is_not():
    orders = [(one["keys"], one["sorted"]) for one in COMMITTED["key_order"]]
    in_utf_16 = [sorted(keys, key=lambda key: key.encode("utf-16-be")) for keys, _ in orders]
    assert sum(one != right for one, (_, right) in zip(in_utf_16, orders, strict=True)) >= 3
