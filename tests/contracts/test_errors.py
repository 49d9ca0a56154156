"""Every error has a text in both languages, names its field, and shows nothing dangerous."""

import ast
import json
import re
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

import contracts
from contracts import envelope, errors, events
from contracts.base import strict_json
from contracts.case import CaseUpdated
from contracts.cloudevent import CloudEvent
from contracts.content import Corrected, Submitted, Withdrawn
from contracts.delivery import ChannelName
from contracts.errors import error_texts, explain, field_error
from contracts.publication import Publication
from contracts.subscriptions.subscriber import Subscriber
from contracts.testing import sample
from contracts.vocabulary import DEFAULT, Vocabulary

ROOT = Path(contracts.__file__).parent.parent
PACKAGES = ("contracts", "channels", "producers", "consumers", "sandbox")
MOMENT = datetime(2026, 11, 24, tzinfo=UTC)
RELEASED = {
    "action": "published",
    "unit": "van-phong-bo",
    "first_released_at": MOMENT,
    "released_at": MOMENT,
    "event_id": "e",
}
GOOD: list[tuple[type[BaseModel], dict]] = [
    (CloudEvent, sample() | {"extensions": {"a": 1}}),
    (Submitted, sample("submitted")["data"]),
    (Corrected, sample("corrected")["data"]),
    (Withdrawn, sample("withdrawn")["data"]),
    (CaseUpdated, sample("updated")["data"]),
    (Publication, sample("submitted")["data"] | RELEASED),
    (Subscriber, {"id": "s1", "email": "a@example.com", "topics": ["viec-lam"], "active": True}),
    (Vocabulary, DEFAULT.model_dump()),
]
AGAINST_EACH_OTHER = [
    {"revision": 3, "corrects_revision": 9, "status": 5, "notice": "apology"},
    {"not_before": "2027-01-01T00:00:00Z", "expires_at": "2026-01-01T00:00:00Z"},
    {"campaign_plan": {"first_day": "2026-02-30"}},
]
KEPT = {"unknown_unit", "unknown_topic", "unknown_audience", "unexpected", "datetime_parsing"}
"""Named by a pattern, the last resort, or raised by other versions of pydantic."""

NASTY_TEXTS = [
    "", " ", "x", "Ð", "a\nb", "\ud800", "x" * 200_000, "ngày mai", "2026-02-30T00:00:00Z",
    "2026-11-24T00:00:00", "0001-01-01T00:00:00+07:00", "https://a@b", "Boä Noäi vuï",
    "=?utf-8?Q?a?=",
]  # fmt: skip
NASTY_OBJECTS = [
    {}, {"": {}}, {"A": None}, {"\ud800": "x"}, {f"x{number}": "y" for number in range(40)},
    {"url": "x", "alt": "\u202e"}, [], ["email", "email"], ["x"] * 60, [{"url": 1}],
]  # fmt: skip
NASTY_TIMES = [MOMENT, MOMENT.replace(tzinfo=None), MOMENT.replace(year=1), MOMENT.date()]
NASTY_REST = [None, True, 0, -1, 1, 10**30, 1.5, 1e30, b"bytes", object()]
NASTY = [*NASTY_TEXTS, *NASTY_OBJECTS, *NASTY_TIMES, *NASTY_REST]


def broken(model, value, **options):
    """The error types and our words for them, when *model* refuses *value*."""
    try:
        model.model_validate(value, **options)
    except ValidationError as error:
        details = error.errors(include_input=False, include_url=False)
        return [detail["type"] for detail in details], explain(error)
    return [], ()


def put(value, path, new):
    """A copy of *value* with *new* at *path*."""
    if not path:
        return new
    head, *rest = path
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[head] = put(copy[head], rest, new)
    return copy


def places(value, path=()):
    """The path of everything inside a good body."""
    yield path
    if isinstance(value, dict | list | tuple):
        for key, part in value.items() if isinstance(value, dict) else enumerate(value):
            yield from places(part, (*path, key))


def spots(model, good):
    """Where to put something nasty: every place of a good body, and every field it leaves out."""
    if model is Vocabulary:  # one of each is enough
        good = {name: dict([next(iter(entries.items()))]) for name, entries in good.items()}
    filled = {**dict.fromkeys(model.model_fields), **good}
    return filled, list(places(filled))


def all_refusals():
    for model, good in GOOD:
        filled, paths = spots(model, good)
        for path in paths:
            for new in NASTY:
                yield broken(model, put(filled, path, new), extra="forbid")
        for field in good:
            yield broken(model, {name: part for name, part in good.items() if name != field})
        for changes in AGAINST_EACH_OTHER:
            yield broken(model, good | changes)


@pytest.fixture(scope="module")
def refusals():
    return list(all_refusals())


@pytest.fixture(scope="module")
def refused_kinds(refusals):
    return {kind for kinds, _ in refusals for kind in kinds}


def test_every_error_our_models_can_raise_has_a_text(refused_kinds):
    assert len(refused_kinds) > 30
    assert refused_kinds - error_texts().keys() == set()


def test_every_error_names_a_field_in_both_languages(refusals):
    for kinds, said in refusals:
        assert len(said) == min(len(kinds), errors.MAX_ERRORS + 1)
        for found in said:
            assert found.field
            assert found.message != error_texts()["unexpected"]["en"]
            assert found.message and found.message_vi
            assert (found.message + found.message_vi + found.field).isprintable()


def codes_in(tree):
    """Codes given to field_error(), and to PydanticCustomError as its type."""
    places = {"field_error": 1, "PydanticCustomError": 0}
    for call in ast.walk(tree):
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Name | ast.Attribute):
            name = call.func.id if isinstance(call.func, ast.Name) else call.func.attr
            given = call.args[places[name]] if name in places else None
            if isinstance(given, ast.Constant):
                yield given.value


def test_every_code_named_in_the_sources_has_a_text():
    trees = [ast.parse(path.read_text()) for path in (ROOT / "contracts").rglob("*.py")]
    codes = {code for tree in trees for code in codes_in(tree)}
    assert {"not_json", "url", "no_consent"} <= codes
    assert codes - error_texts().keys() == set()


def test_every_text_is_used(refused_kinds):
    sources = [path for name in PACKAGES for path in (ROOT / name).rglob("*.py")]
    said = "".join(path.read_text() for path in sources)
    named = {code for code in error_texts() if f'"{code}"' in said}
    unused = error_texts().keys() - named - refused_kinds - KEPT
    assert unused == set()


@pytest.mark.parametrize("code", error_texts())
def test_a_text_says_the_same_in_both_languages(code):
    texts = error_texts()[code]
    assert texts.keys() == {"en", "vi"}
    english, vietnamese = (set(re.findall(r"{(\w*)", text)) for text in (texts["en"], texts["vi"]))
    assert english == vietnamese
    assert not texts["vi"].isascii()


@pytest.mark.parametrize(
    ("code", "name", "one", "many"),
    [
        ("rate_limited", "retry_after_s", "1 second", "2 seconds"),
        ("unavailable", "retry_after_s", "1 second", "2 seconds"),
        ("string_too_long", "max_length", "1 character", "2 characters"),
        ("too_long", "max_length", "1 entry", "2 entries"),
        ("more_errors", "count", "1 more error", "2 more errors"),
    ],
)
def test_one_thing_is_not_many(code, name, one, many):
    for number, words in ((1, one), (2, many)):
        assert re.search(rf"{words}\b", field_error("x", code, **{name: number}).message)


def test_an_error_of_a_batch_names_the_event():
    inner = errors.Invalid(
        field_error("data.title", "missing"), field_error(errors.WHOLE_EVENT, "not_object")
    )
    outer = inner.within("[3]")
    assert type(outer) is errors.Invalid
    assert [found.field for found in outer.errors] == ["[3].data.title", "[3]"]


@pytest.mark.parametrize(
    ("parts", "path"),
    [
        (("data", "links", 0, "url"), "data.links.0.url"),
        ((3, "data", "title"), "[3].data.title"),
        (("", "title"), "title"),
        ((), ""),
    ],
)
def test_a_path(parts, path):
    assert errors.join_path(*parts) == path


@given(st.text(st.characters(exclude_categories=()), max_size=300))
@settings(max_examples=200)
def test_a_sent_value_is_shown_bounded_and_visible(value):
    found = errors.unknown_word("data.topic", "unknown_topic", value, ["viec-lam"])
    assert found.message.isprintable()
    assert len(found.message) < 100 * 8 + 80


def test_choices_are_listed_without_english_words():
    _, said = broken(Submitted, sample()["data"] | {"lane": "fast"})
    assert said[0].message_vi.endswith("urgent, normal, bulk")


def test_a_list_of_allowed_values_is_never_cut():
    topic, kind = sample()["data"] | {"topic": "khong-co"}, "vn.gov.moha.content.gone.v1"
    _, said = broken(Submitted, sample()["data"] | {"channels": ["fax"]})
    assert said[0].message.endswith(", ".join(ChannelName))
    topics = {name for name in DEFAULT.topics if not DEFAULT.is_reserved(name)}
    for event, known in (({"data": topic}, topics), ({"type": kind}, {*events.KINDS})):
        with pytest.raises(errors.Invalid) as caught:
            events.read(envelope.from_structured(sample() | event), DEFAULT)
        found = caught.value.errors[0]
        assert known <= {*re.findall("[a-z0-9.-]+", found.message)}
        assert "…" not in found.message + found.message_vi


@pytest.mark.parametrize(
    ("change", "near"),
    [
        ({"type": "vn.gov.moha.content.submited.v1"}, events.SUBMITTED),
        ({"data": sample()["data"] | {"topic": "viec-lm"}}, "viec-lam"),
        ({"data": sample()["data"] | {"audiences": ["congchuc"]}}, "cong-chuc"),
    ],
)
def test_an_unknown_word_suggests_the_nearest(change, near):
    with pytest.raises(errors.Invalid) as caught:
        events.read(envelope.from_structured(sample() | change), DEFAULT)
    found = caught.value.errors[0]
    assert f"did you mean {near}?" in found.message
    assert f"có phải ý là {near} không?" in found.message_vi


PDF = {"url": "https://a.example/a.pdf", "title": "A", "media_type": "PDF"}


@pytest.mark.parametrize(
    ("changes", "field", "example"),
    [
        ({"language": "Tiếng Việt"}, "language", "en-GB"),
        ({"attachments": [PDF]}, "attachments.0.media_type", "application/pdf"),
    ],
)  # fmt: skip
def test_a_form_is_shown_by_an_example_in_place_of_a_pattern(changes, field, example):
    with pytest.raises(errors.Invalid) as caught:
        events.read(
            envelope.from_structured(sample() | {"data": sample()["data"] | changes}), DEFAULT
        )
    [found] = caught.value.errors
    assert found.field == f"data.{field}"
    for said in (found.message, found.message_vi):
        assert example in said and "[" not in said


def test_an_unknown_unit_suggests_the_nearest_and_a_strange_word_suggests_none():
    near, strange = (events.unit_error("source", one, DEFAULT) for one in ("van-fong-bo", "x" * 99))
    assert "did you mean van-phong-bo?" in near.message
    assert "did you mean" not in strange.message


def test_an_empty_text_and_an_empty_list_are_called_empty():
    _, said = broken(Submitted, sample()["data"] | {"title": "", "channels": []})
    assert {found.message for found in said} == {"must not be empty"}
    schemas = "".join(json.dumps(model.model_json_schema()) for model, _ in GOOD)
    assert set(re.findall(r'"min(?:Length|Items)": (\d+)', schemas)) == {"1"}


@pytest.mark.parametrize(
    ("data", "field", "near"),
    [
        ({"titel": "Tin"}, "data.titel", "title"),
        ({"shortTitle": "Tin"}, "data.shortTitle", "short_title"),
        ({"links": [{"adress": "a", "titles": "b"}]}, "data.links.0.titles", "title"),
        ({"broadcast": {"enable": True}}, "data.broadcast.enable", "enabled"),
    ],
)
def test_an_unknown_field_suggests_the_nearest_of_its_object(data, field, near):
    with pytest.raises(errors.Invalid) as caught:
        events.read(envelope.from_structured(sample() | {"data": sample()["data"] | data}), DEFAULT)
    said = {one.field: one for one in caught.value.errors}
    assert f"did you mean {near}?" in said[field].message
    assert f"có phải ý là {near} không?" in said[field].message_vi
    strange = said.get("data.links.0.adress")
    assert strange is None or "did you mean" not in strange.message


@pytest.mark.parametrize(
    ("name", "written"), [("data", "dat"), ("data", "Data"), ("type", "typ"), ("source", "sources")]
)
def test_a_misspelt_attribute_names_the_one_that_is_missing(name, written):
    event = sample()
    event[written] = event.pop(name)
    with pytest.raises(errors.Invalid) as caught:
        envelope.from_structured(event)
    said = {one.field: one.message for one in caught.value.errors}
    assert said[name] == "is required"
    assert said[written].endswith(f"did you mean {name}?")


def test_an_extension_that_is_no_misspelling_is_judged_as_one():
    with pytest.raises(errors.Invalid) as caught:
        envelope.from_structured(sample() | {"dat": {"a": 1}, "typ": "x"})
    assert [one.field for one in caught.value.errors] == ["dat"]


@pytest.mark.parametrize("codec", ["utf-16", "utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("value", [sample(), [sample()]], ids=["event", "batch"])
def test_a_body_in_utf_16_is_called_that(codec, value):
    with pytest.raises(errors.Unreadable) as caught:
        strict_json.loads(json.dumps(value, ensure_ascii=False).encode(codec))
    assert "UTF-16" in caught.value.errors[0].message
    assert "UTF-16" in caught.value.errors[0].message_vi


def test_a_time_has_the_form_of_each_language_and_is_vietnams():
    said = errors.localized(
        "a", {"en": "since {at}", "vi": "từ {at}"}, at=datetime(2026, 11, 25, 18, 30, tzinfo=UTC)
    )
    assert (said.message, said.message_vi) == (
        "since 2026-11-26 01:30:00+07",
        "từ 01:30 ngày 26/11/2026",
    )
