"""The client over HTTP: Loa judges; where it can't, the same event is sent again, or kept."""

import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from loa_client import (
    Accepted,
    HttpPublisher,
    Invalid,
    NotFound,
    RateLimited,
    Spooled,
    Unauthorized,
    Unavailable,
    http_publisher,
    sample,
)
from producers.spool import Spool
from tests.support.gateway_client import OTHER, STRUCTURED, sample_event
from tests.support.scripted_door import Given, ScriptedDoor, serving

KEY = "loa_unit_key"
patient = partial(HttpPublisher, patience_s=60, time_limit_s=60)
ERROR = {"field": "data.title", "message": "is empty", "message_vi": "trống"}


def accepted(number: int = 1) -> Given:
    facts = {"event_id": "a" * 26, "content_id": f"tin-{number}", "revision": 1}
    return Given(202, facts | {"status_url": "/v1/events/x"})


def refused(status: int, **headers: str) -> Given:
    return Given(status, {"title": "no", "errors": [ERROR]}, headers)


@pytest.fixture
def door() -> Iterator[ScriptedDoor]:
    with serving() as door:
        yield door


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    return Spool(tmp_path / "spool")


@pytest.fixture
def away(spool: Spool) -> HttpPublisher:
    """A publisher whose door answers nothing."""
    return HttpPublisher("http://127.0.0.1:1", KEY, spool.folder, time_limit_s=0)


def numbered(number: int) -> dict[str, object]:
    return sample_event(id=f"e-{number}", content_id=f"tin-{number}")


def test_the_event_goes_with_the_key_and_the_answer_comes_back(door):
    warning = ERROR | {"code": "title_cut"}
    door.answers = [Given(202, accepted().body | {"warnings": [warning]})]
    told = patient(f"{door.url}/", f"{KEY}\n").publish(sample_event())
    assert isinstance(told, Accepted) and told.warnings[0].code == "title_cut"
    [(path, headers, body)] = door.asked
    assert (path, headers["Authorization"]) == ("/v1/events", f"Bearer {KEY}")
    assert headers["Content-Type"] == STRUCTURED
    assert json.loads(body)["data"] == sample_event()["data"]


@pytest.mark.parametrize("status", [429, 503, 500, 408])
def test_the_very_same_event_is_sent_again_after_the_time_that_loa_asks_for(door, status):
    door.answers = [refused(status, Retry_After="0"), refused(status, Retry_After="0"), accepted()]
    patient(door.url, KEY).publish(sample_event())
    assert len({body for _, _, body in door.asked}) == 1 and len(door.asked) == 3


def test_silence_is_asked_again_until_the_time_limit(door, monkeypatch):
    slept = []
    monkeypatch.setattr(http_publisher.time, "sleep", slept.append)
    monkeypatch.setattr(http_publisher.time, "monotonic", lambda: sum(slept))
    with pytest.raises(Unavailable):
        HttpPublisher("http://127.0.0.1:1", KEY, time_limit_s=12).publish(sample_event())
    assert slept == [5, 5]


def test_a_wait_beyond_the_time_limit_is_left_to_the_caller(door):
    door.answers = [refused(429, Retry_After="3600")]
    with pytest.raises(RateLimited) as told:
        patient(door.url, KEY).publish(sample_event())
    assert told.value.retry_after_s == 3600


def test_a_refusal_names_the_field_in_both_languages_and_nothing_is_kept(door, spool):
    door.answers = [refused(422)]
    with pytest.raises(Invalid) as told:
        patient(door.url, KEY, spool.folder).publish(sample_event(title=""))
    assert [one.model_dump() for one in told.value.errors] == [ERROR]
    assert spool.waiting() == []


def test_a_word_that_only_loa_knows_is_sent(door):
    door.answers = [accepted()]
    assert patient(door.url, KEY).publish(sample_event(topic="chu-de-moi"))


@pytest.mark.parametrize(
    "answer",
    [
        Given(404, b"<html>not here</html>"),
        Given(302, b"", {"Location": "http://127.0.0.1:1/"}),
        Given(200, b"{}"),
    ],
    ids=["a page", "a redirect", "another service"],
)
def test_an_answer_that_is_not_loas_names_the_address(door, answer, monkeypatch):
    monkeypatch.setattr(http_publisher, "RETRY_AFTER_S", 3600)
    door.answers = [answer]
    with pytest.raises(Unavailable) as told:
        patient(door.url, KEY).publish(sample_event())
    [error] = told.value.errors
    assert error.field == "url" and str(answer.status) in error.message_vi
    assert len(door.asked) == 1


def test_an_event_is_kept_while_loa_is_away_and_sent_before_the_next_one(door, away, spool):
    kept = [away.publish(numbered(number)) for number in (1, 2)]
    assert [type(one) for one in kept] == [Spooled, Spooled]
    door.answers = [accepted(number) for number in (1, 2, 3)]
    patient(door.url, KEY, spool.folder).publish(numbered(3))
    assert door.ids == ["e-1", "e-2", "e-3"]
    assert spool.waiting() == []


def test_an_event_behind_others_that_wait_is_kept_too(door, away, spool):
    away.publish(numbered(1))
    door.answers = [refused(503, Retry_After="3600")]
    told = patient(door.url, KEY, spool.folder).publish(numbered(2))
    assert isinstance(told, Spooled) and len(spool.waiting()) == 2
    assert door.ids == ["e-1"]


def test_what_is_kept_is_checked(away, spool):
    with pytest.raises(Invalid) as told:
        away.publish(sample_event(title=""))
    assert told.value.errors[0].field == "data.title"
    assert spool.waiting() == []


def test_a_kept_event_that_loa_refuses_is_set_aside_and_the_next_one_goes(door, away, spool):
    for number in (1, 2):
        away.publish(numbered(number))
    door.answers = [refused(409), accepted(2)]
    drained = patient(door.url, KEY, spool.folder).drain()
    assert [path.parent.name for path in drained.refused] == ["refused"]
    assert [one.content_id for one in drained.accepted] == ["tin-2"]
    assert drained.left == 0 and door.ids == ["e-1", "e-2"]


def test_while_loa_refuses_the_key_events_are_kept(door, spool):
    door.answers = [refused(401)]
    publisher = patient(door.url, KEY, spool.folder)
    assert isinstance(publisher.publish(numbered(1)), Spooled)
    assert publisher.refusal and publisher.refusal.errors[0].message_vi == "trống"
    door.answers = [accepted()]
    publisher.drain()
    assert publisher.refusal is None
    door.answers = [refused(401)]
    with pytest.raises(Unauthorized):
        patient(door.url, KEY).publish(numbered(2))


def test_the_address_of_a_person_is_never_kept(away, spool):
    with pytest.raises(Unavailable):
        away.publish(sample("updated"))
    assert not spool.folder.exists()


def test_a_case_event_goes_with_its_contact_and_waits_for_no_other(door, away, spool):
    away.publish(numbered(1))
    door.answers = [accepted()]
    patient(door.url, KEY, spool.folder).publish(sample("updated"))
    [(_, _, body)] = door.asked
    assert json.loads(body)["data"]["contact"] == sample("updated")["data"]["contact"]


def test_a_source_that_names_no_unit_needs_the_unit_only_to_be_kept(door, away, spool):
    event = sample_event() | {"source": "urn:cms:1"}
    with pytest.raises(Invalid) as told:
        away.publish(event)
    assert told.value.errors[0].field == "unit"
    named = HttpPublisher("http://127.0.0.1:1", KEY, spool.folder, unit=OTHER, time_limit_s=0)
    named.publish(event)
    assert spool.read(spool.waiting()[0]).unit == OTHER


def test_the_state_of_an_event_is_asked_with_the_key(door):
    step = {"at": "2026-11-02T08:00:00+07:00", "event": "received"}
    facts = {"content_id": "tin-1", "revision": 1, "state": "released", "channels": {}}
    door.answers = [Given(200, facts | {"timeline": [step], "added_later": 1}), refused(404)]
    publisher = patient(door.url, KEY)
    told = publisher.status("a" * 26)
    assert (told.state, told.timeline[0].event) == ("released", "received")
    assert door.asked[0][0] == f"/v1/events/{'a' * 26}"
    with pytest.raises(NotFound):
        publisher.status("../vocabulary")
    assert door.asked[1][0] == "/v1/events/..%2Fvocabulary"


@pytest.mark.parametrize(
    ("url", "key", "fields"),
    [
        ("file:///etc/passwd", KEY, ["url"]),
        ("https://loa.example", "a\nb", ["key"]),
        ("", "", ["url", "key"]),
    ],
)
def test_an_address_and_a_key_of_no_use_are_named_at_once(url, key, fields):
    with pytest.raises(Invalid) as told:
        HttpPublisher(url, key)
    assert [one.field for one in told.value.errors] == fields
