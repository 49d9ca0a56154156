"""Each break of a schema is found by its name, and a harmless change is none."""

import json

import jsoncompat
import pytest

from contracts.schemas.compatibility import breaking_changes
from tests.support.schemas import DATA, SAMPLE, accepts, changed_schema


def nameless(schema):
    """As text, without the schema's own name, which that tool cannot follow."""
    return json.dumps({word: part for word, part in schema.items() if word != "$id"})


BREAKS = {
    "a field taken away": (lambda f, _: f.pop("author"), {"author": "Văn phòng Bộ"}),
    "a field required": (lambda _, s: s["required"].append("author"), {"author": "absent"}),
    "a shorter text": (lambda f, _: f["title"].update(maxLength=60), {"title": "x" * 61}),
    "a longer text": (lambda f, _: f["title"].update(minLength=9), {"title": "x"}),
    "another pattern": (lambda f, _: f["content_id"].update(pattern="^a$"), {"content_id": "a1"}),
    "a new pattern": (lambda f, _: f["language"].update(pattern="^vi$"), {"language": "en"}),
    "a higher minimum": (lambda f, _: f["revision"].update(minimum=2), {"revision": 1}),
    "a lower maximum": (lambda f, _: f["revision"].update(maximum=9), {"revision": 10}),
    "a new bound": (lambda f, _: f["revision"].update(exclusiveMinimum=1), {"revision": 1}),
    "another type": (lambda f, _: f["revision"].update(type="string"), {"revision": 1}),
    "null no longer taken": (lambda f, _: f["author"]["anyOf"].pop(), {"author": None}),
    "no null in a list of types": (lambda f, _: f["links"].update(type="array"), {"links": None}),
    "fewer choices": (lambda f, _: f["lane"]["enum"].remove("bulk"), {"lane": "bulk"}),
    "a choice at all": (lambda f, _: f["language"].update(enum=["vi"]), {"language": "en"}),
    "one value only": (lambda f, _: f["language"].update(const="vi"), {"language": "en"}),
    "fewer entries": (lambda f, _: f["links"].update(maxItems=1), {"links": SAMPLE["links"] * 2}),
    "more entries": (lambda f, _: f["audiences"].update(minItems=1), {"audiences": []}),
    "distinct": (lambda f, _: f["links"].update(uniqueItems=True), {"links": SAMPLE["links"] * 2}),
    "a change inside a list": (
        lambda _, s: s["$defs"]["Link"]["properties"]["title"].update(maxLength=3),
        {"links": SAMPLE["links"]},
    ),
    "a field required inside a list": (
        lambda _, s: s["$defs"]["Attachment"]["required"].append("size"),
        {"attachments": [{"url": "https://moha.gov.vn", "title": "a"}]},
    ),
    "a word we do not know": (lambda f, _: f["revision"].update(multipleOf=2), {"revision": 1}),
}
"""Each break has a witness that the old schema took and the new one refuses."""

HARMLESS = {
    "nothing": lambda f, _: None,
    "a new optional field": lambda f, _: f.update(mood={"type": "string"}),
    "a field no longer required": lambda _, s: s["required"].remove("topic"),
    "a longer text": lambda f, _: f["title"].update(maxLength=400),
    "an empty text": lambda f, _: f["title"].update(minLength=0),
    "no bound": lambda f, _: f["title"].pop("maxLength"),
    "no pattern": lambda f, _: f["content_id"].pop("pattern"),
    "a wider type": lambda f, _: f["revision"].update(type=["integer", "null"]),
    "any number": lambda f, _: f["revision"].update(type="number"),
    "any value": lambda f, _: f.update(author={"default": None}),
    "more choices": lambda f, _: f["lane"]["enum"].append("night"),
    "no choices": lambda f, _: f["lane"].pop("enum"),
    "repeated entries": lambda f, _: f["audiences"].update(uniqueItems=False),
    "an open object": lambda _, s: s.pop("additionalProperties"),
    "words in Vietnamese": lambda f, _: f["title"].update({"x-description-vi": "y"}),
    "words for people": lambda f, s: (s.update(title="x"), f["title"].update(description="y")),
}
PATTERNS = {"a new pattern", "another pattern"}
"""That tool does not compare patterns."""


@pytest.mark.parametrize("name", BREAKS)
def test_a_break_is_found(name):
    change, witness = BREAKS[name]
    new = changed_schema(change)
    value = {key: part for key, part in (SAMPLE | witness).items() if part != "absent"}
    assert accepts(DATA, value)
    assert not accepts(new, value)
    found = breaking_changes(DATA, new)
    assert len(found) == 1, found
    assert next(iter(witness)) in found[0]


@pytest.mark.parametrize("name", HARMLESS)
def test_a_harmless_change_is_none(name):
    assert breaking_changes(DATA, changed_schema(HARMLESS[name])) == []


def test_another_default_is_a_break_although_the_same_bodies_are_taken():
    new = changed_schema(lambda f, _: f["language"].update(default="en"))
    assert breaking_changes(DATA, new) == ["language: default vi → en"]


def test_an_object_that_closes_is_a_break():
    opened = changed_schema(HARMLESS["an open object"])
    assert breaking_changes(opened, DATA) == ["*: anything is no longer taken"]


def test_several_breaks_are_all_named():
    new = changed_schema(
        lambda f, s: (
            f.pop("author"),
            f["title"].update(maxLength=9),
            s["required"].append("cover"),
        )
    )
    named = [line.partition(":")[0] for line in breaking_changes(DATA, new)]
    assert named == ["cover", "title", "author"]


@pytest.mark.parametrize("name", sorted((BREAKS.keys() | HARMLESS.keys()) - PATTERNS))
def test_another_tool_judges_the_same(name):
    new = changed_schema(HARMLESS.get(name) or BREAKS[name][0])
    answer = jsoncompat.check_compat(nameless(DATA), nameless(new), role="deserializer")
    assert answer is (name in HARMLESS)
