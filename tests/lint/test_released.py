"""Output of commands, and requests and answers of the HTTP door, only grow."""

from copy import deepcopy

import pytest

from contracts.schemas.compatibility import lost_answers
from tests.lint.released import FOLDER, RELEASED, as_lines, breaks, present, released


@pytest.mark.parametrize("name", RELEASED)
def test_nothing_that_was_released_is_broken(name):
    assert breaks(released(name), present(name)) == []


@pytest.mark.parametrize("name", RELEASED)
def test_what_is_new_is_kept_as_released(name):
    """`python -m tests.lint.commands` adds it."""
    assert (FOLDER / f"{name}.json").read_text("utf-8") == as_lines(present(name))


OLD = {
    "type": "object",
    "required": ["state", "at"],
    "properties": {
        "state": {"enum": ["held", "out"], "type": "string"},
        "at": {"type": "string", "format": "date-time"},
        "count": {"type": "integer"},
        "by": {"anyOf": [{"type": "string"}, {"type": "null"}]},
        "rows": {"type": "array", "items": {"$ref": "#/$defs/Row"}},
        "sums": {"type": "object", "additionalProperties": {"type": "integer"}},
    },
    "$defs": {"Row": {"type": "object", "properties": {"id": {"type": "string"}}}},
}
LOSSES = {
    "a field gone": (lambda f, _: f.pop("by"), "by: is gone"),
    "a field not always there": (lambda _, s: s["required"].remove("at"), "at: may be missing now"),
    "another type": (lambda f, _: f["count"].update(type="string"), "count: string is new"),
    "null as well": (
        lambda f, _: f["count"].update(type=["integer", "null"]),
        "count: null is new",
    ),
    "a fraction": (lambda f, _: f["count"].update(type="number"), "count: number is new"),
    "a word gone": (lambda f, _: f["state"]["enum"].remove("out"), "state: enum"),
    "another form": (lambda f, _: f["at"].update(format="date"), "at: format"),
    "a type gone": (lambda f, _: f["by"]["anyOf"].pop(0), "by: string is gone"),
    "a field of rows gone": (lambda _, s: s["$defs"]["Row"].update(properties={}), "rows[].id: is"),
    "other sums": (
        lambda f, _: f["sums"]["additionalProperties"].update(type="string"),
        "sums.*: ",
    ),
    "a list": (lambda _, s: s.update(type="array", items={}), "root: array is new"),
}
GAINS = {
    "a field": lambda f, _: f.update(mood={"type": "string"}),
    "a field that is always there": lambda f, s: (f.update(a={}), s["required"].append("a")),
    "always there": lambda _, s: s["required"].append("count"),
    "a word": lambda f, _: f["state"]["enum"].append("gone"),
    "null never": lambda f, _: f["by"]["anyOf"].pop(),
    "other descriptions": lambda f, s: (f["at"].update(description="x"), s.update(title="y")),
}


def changed(change):
    schema = deepcopy(OLD)
    change(schema["properties"], schema)
    return schema


@pytest.mark.parametrize("case", LOSSES)
def test_what_readers_of_an_answer_lose_is_named(case):
    change, named = LOSSES[case]
    assert any(line.startswith(named) for line in lost_answers(OLD, changed(change)))


@pytest.mark.parametrize("case", GAINS)
def test_an_answer_may_grow(case):
    assert lost_answers(OLD, changed(GAINS[case])) == []


def test_a_part_that_is_gone_and_a_request_that_asks_more_are_named():
    body = {"type": "object", "properties": {"a": {"type": "string"}}, "required": []}
    old = {"parts": {"request POST /a": body, "answer GET /b 200": {}}, "$defs": {}}
    new = {"parts": {"request POST /a": body | {"required": ["a"]}}, "$defs": {}}
    named = ["answer GET /b 200: is gone", "request POST /a: a: is required now"]
    assert breaks(old, new) == named
    assert breaks(new, old) == []
