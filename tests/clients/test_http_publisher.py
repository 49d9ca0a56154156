"""The client over HTTP: Loa judges; where it can't, the same event is sent again, or kept."""

import errno
import fcntl
import importlib.util
import json
import logging
import os
import socket
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from unittest.mock import Mock

import pytest
import trustme
from structlog.testing import capture_logs

from loa_client import (
    Accepted,
    Conflict,
    HttpPublisher,
    Invalid,
    NotFound,
    Publisher,
    RateLimited,
    Spooled,
    SyncPublisher,
    TooLarge,
    Unauthorized,
    Unavailable,
    http_publisher,
    sample,
)
from producers import spool as spool_module
from producers.spool import Spool
from tests.support.gateway_client import OTHER, STRUCTURED, UNIT, sample_event
from tests.support.relay_tls import relay_context
from tests.support.scripted_door import Given, ScriptedDoor, serving
from tests.support.spooled_events import (
    end_a_drain_before_an_event_is_kept,
    keep_as_a_drain_ends,
)

KEY = "loa_unit_key"
BATCH = "application/cloudevents-batch+json"
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
    assert (told.duplicate, told.trial) == (None, False)
    [(path, headers, body)] = door.asked
    assert (path, headers["Authorization"]) == ("/v1/events", f"Bearer {KEY}")
    assert headers["Content-Type"] == STRUCTURED
    assert json.loads(body)["data"] == sample_event()["data"]


@pytest.mark.parametrize("status", [429, 503, 500, 408])
def test_the_very_same_event_is_sent_again_after_the_time_that_loa_asks_for(
    door, status, monkeypatch
):
    slept = []
    monkeypatch.setattr(http_publisher.time, "sleep", slept.append)
    date = "Wed, 21 Oct 2026 07:28:00 GMT"
    door.answers = [refused(status, Retry_After=asked) for asked in ("7", "0", date)]
    door.answers.append(accepted())
    patient(door.url, KEY).publish(sample_event())
    assert len({body for _, _, body in door.asked}) == 1 and len(door.asked) == 4
    assert slept == [7, 0.2, 5]


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


def test_a_trial_is_told(door):
    door.answers = [Given(202, accepted().body | {"trial": True})]
    assert patient(door.url, KEY).publish(sample_event()).trial


def test_a_certificate_that_is_not_trusted_is_told_and_events_are_kept(door, spool, caplog):
    tls = relay_context(trustme.CA())
    door.socket = tls.wrap_socket(door.socket, server_side=True, do_handshake_on_connect=False)
    publisher = HttpPublisher(
        door.url.replace("http:", "https:"), KEY, spool.folder, time_limit_s=0
    )
    assert isinstance(publisher.publish(sample_event()), Spooled)
    [error] = publisher.refusal.errors
    assert error.field == "url" and "certificate" in error.message_vi
    [away] = caplog.messages
    assert away == "door_away reason=unavailable error=SSLCertVerificationError"


def test_a_name_that_no_machine_has_is_told_until_loa_answers(door, monkeypatch):
    publisher = HttpPublisher(door.url, KEY, time_limit_s=0)
    with monkeypatch.context() as broken, pytest.raises(Unavailable) as told:
        broken.setattr(socket, "getaddrinfo", Mock(side_effect=socket.gaierror))
        publisher.publish(sample_event())
    assert publisher.refusal is told.value and told.value.errors[0].field == "url"
    door.answers = [accepted()]
    publisher.publish(sample_event())
    assert publisher.refusal is None


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


def test_after_loa_was_away_events_are_kept_at_once_for_some_seconds(door, spool, monkeypatch):
    now = [0.0]
    monkeypatch.setattr(http_publisher.time, "monotonic", lambda: now[0])
    publisher = patient(door.url, KEY, spool.folder)
    door.answers = [refused(503, Retry_After="3600")]
    for number in (1, 2, 3):
        assert isinstance(publisher.publish(numbered(number)), Spooled)
    assert door.ids == ["e-1"]
    now[0] = 60.0
    door.answers = [accepted(number) for number in (1, 2, 3, 4)]
    assert isinstance(publisher.publish(numbered(4)), Accepted)
    assert door.ids[1:] == ["e-1", "e-2", "e-3", "e-4"]


def test_older_events_are_sent_until_the_time_limit_and_the_new_one_is_kept(
    door, away, spool, monkeypatch
):
    monkeypatch.setattr(http_publisher, "_LEAST_S", 60)
    for number in (1, 2, 3):
        away.publish(numbered(number))
    door.answers = [accepted(1)]
    publisher = HttpPublisher(door.url, KEY, spool.folder, patience_s=60, time_limit_s=0)
    assert isinstance(publisher.publish(numbered(4)), Spooled)
    assert door.ids == ["e-1"] and len(spool.waiting()) == 3


def test_a_drain_sends_what_is_kept_before_its_lock_is_back(door, away, spool, monkeypatch):
    away.publish(numbered(1))
    keep_as_a_drain_ends(monkeypatch, 2)
    door.answers = [accepted(1), accepted(2)]
    drained = patient(door.url, KEY, spool.folder).drain()
    assert ([one.content_id for one in drained.accepted], drained.left) == (["tin-1", "tin-2"], 0)


def test_an_event_kept_after_another_drain_has_ended_is_sent(door, away, spool, monkeypatch):
    away.publish(numbered(1))
    end_a_drain_before_an_event_is_kept(monkeypatch, spool)
    door.answers = [accepted(1), accepted(2)]
    assert isinstance(patient(door.url, KEY, spool.folder).publish(numbered(2)), Spooled)
    assert (door.ids, spool.waiting()) == (["e-1", "e-2"], [])


def test_a_batch_is_one_request_and_a_wrong_event_is_named_by_its_place(door):
    publisher = patient(door.url, KEY)
    body = {"events": [accepted(1).body, accepted(2).body]}
    door.answers = [Given(202, body), Given(422, {"errors": [ERROR | {"field": "[1].data.title"}]})]
    answers = publisher.publish_batch([numbered(1), numbered(2)])
    assert [(type(one), one.content_id) for one in answers] == [
        (Accepted, "tin-1"), (Accepted, "tin-2")
    ]  # fmt: skip
    with pytest.raises(Invalid, match=r"\[1\].data.title"):
        publisher.publish_batch([numbered(1), sample_event(title="")])
    with pytest.raises(Invalid, match=r"\[1\].specversion"):
        publisher.publish_batch([numbered(1), {"id": "2"}])
    assert [headers["Content-Type"] for _, headers, _ in door.asked] == [BATCH, BATCH]
    assert [one["id"] for one in json.loads(door.asked[0][2])] == ["e-1", "e-2"]


def test_a_batch_is_kept_in_its_order_while_loa_is_away_and_goes_before_the_next(door, away, spool):
    kept = away.publish_batch([numbered(1), numbered(2)])
    assert [one.path for one in kept] == spool.waiting()
    door.answers = [accepted(1), accepted(2), Given(202, {"events": [accepted(3).body]})]
    [answer] = patient(door.url, KEY, spool.folder).publish_batch([numbered(3)])
    assert isinstance(answer, Accepted)
    first, second, [third] = (json.loads(body) for _, _, body in door.asked)
    assert [one["id"] for one in (first, second, third)] == ["e-1", "e-2", "e-3"]


def test_a_batch_is_kept_wholly_or_not_at_all_and_its_length_is_judged_before(away, spool):
    [one] = away.publish_batch([numbered(1)])
    other = {**numbered(2), "data": {**numbered(2)["data"], "title": "Khác"}}
    with pytest.raises(Conflict) as told:
        away.publish_batch([numbered(1), numbered(2), numbered(3), other])
    assert [error.field for error in told.value.errors] == ["[3].id"]
    assert spool.waiting() == [one.path]
    with pytest.raises(Invalid, match=r"\[1\].data.title"):
        away.publish_batch([numbered(2), sample_event(title="")])
    with pytest.raises(Unavailable):
        away.publish_batch([numbered(2), sample("updated")])
    with pytest.raises(Invalid):
        away.publish_batch([])
    with pytest.raises(TooLarge):
        away.publish_batch([numbered(2)] * 101)
    kept = away.publish_batch([numbered(3), numbered(2), numbered(1), numbered(3)])
    assert [one.path, kept[0].path, kept[1].path] == spool.waiting()
    assert [kept[2].path, kept[3].path] == [one.path, kept[0].path]


@pytest.mark.parametrize("key", [KEY, f"loa_{UNIT}_{'0' * 64}"], ids=["unit", "key"])
def test_another_units_events_wait_for_its_own_key(door, spool, key):
    other = HttpPublisher("http://127.0.0.1:1", KEY, spool.folder, unit=OTHER, time_limit_s=0)
    kept = other.publish(numbered(1) | {"source": f"/units/{OTHER}"})
    door.answers = [accepted(2), accepted(3)]
    publisher = patient(door.url, key, spool.folder, unit=UNIT if key == KEY else None)
    assert isinstance(publisher.publish(numbered(2)), Accepted)
    gone = spool.folder / f"{'0' * 20}-{'a' * 26}.json"
    gone.symlink_to("removed-since-it-was-listed")
    assert isinstance(publisher.publish(numbered(3)), Accepted)
    gone.unlink()
    assert door.ids == ["e-2", "e-3"] and spool.waiting() == [kept.path]


@pytest.mark.parametrize("kinds", [("loa", "loatrial"), ("loatrial", "loa")])
def test_what_a_key_for_trials_keeps_never_goes_out_in_earnest(door, spool, kinds):
    keeper, sender = (f"{kind}_{UNIT}_{'0' * 64}" for kind in kinds)
    away = HttpPublisher("http://127.0.0.1:1", keeper, spool.folder, time_limit_s=0)
    away.publish(numbered(1))
    door.answers = [accepted(2), accepted(1)]
    other = patient(door.url, sender, spool.folder)
    assert other.drain().left == 0
    assert isinstance(other.publish(numbered(2)), Accepted) and door.ids == ["e-2"]
    drained = patient(door.url, f" {keeper}\n", spool.folder).drain()
    assert len(drained.accepted) == 1 and door.ids == ["e-2", "e-1"]
    assert spool.folder.stat().st_mode & 0o77 == 0


def test_a_waiting_file_that_names_no_unit_is_set_aside(door, away, spool):
    kept = away.publish(numbered(1))
    kept.path.write_text(json.dumps({"event": json.loads(kept.path.read_text())["event"]}))
    [aside] = patient(door.url, KEY, spool.folder, unit=UNIT).drain().refused
    assert "unit: " in aside.with_suffix(".txt").read_text() and door.asked == []


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


def test_while_loa_refuses_the_key_events_are_kept(door, spool, caplog):
    door.answers = [refused(401)]
    publisher = patient(door.url, KEY, spool.folder)
    assert isinstance(publisher.publish(numbered(1)), Spooled)
    assert publisher.refusal and publisher.refusal.errors[0].message_vi == "trống"
    assert caplog.messages == ['door_refused reason=unauthorized error="data.title: is empty"']
    door.answers = [accepted()]
    publisher.drain()
    assert publisher.refusal is None
    door.answers = [refused(401)]
    with pytest.raises(Unauthorized):
        patient(door.url, KEY).publish(numbered(2))


def test_pythons_logging_governs_the_log(away, caplog):
    away.publish(numbered(1))
    caplog.set_level("ERROR", "loa_client")
    away.publish(numbered(2))
    [line] = caplog.record_tuples
    assert line[:2] == ("loa_client", logging.WARNING) and line[2].startswith("door_away reason=")


def test_the_address_of_a_person_is_never_kept(away, spool):
    with pytest.raises(Unavailable):
        away.publish(sample("updated"))
    assert not spool.folder.exists()


def failing(code: int) -> Mock:
    return Mock(side_effect=OSError(code, os.strerror(code)))


@pytest.mark.parametrize(
    ("module", "call", "code"), [(os, "fsync", errno.ENOSPC), (fcntl, "flock", errno.ENOLCK)]
)
def test_a_disk_that_keeps_nothing_is_named_and_the_event_can_be_sent_again(
    away, spool, monkeypatch, module, call, code
):
    with monkeypatch.context() as broken, pytest.raises(Unavailable) as told:
        broken.setattr(module, call, failing(code))
        away.publish(sample_event())
    [error] = told.value.errors
    assert error.field == "spool" and str(spool.folder) in error.message_vi
    assert os.strerror(code) in error.message
    assert spool.waiting() == []
    assert isinstance(away.publish(sample_event()), Spooled)


def test_a_batch_that_a_disk_refuses_is_logged_by_its_number_of_events(away, monkeypatch):
    monkeypatch.setattr(os, "fsync", failing(errno.ENOSPC))
    with capture_logs() as logged, pytest.raises(Unavailable):
        away.publish_batch([numbered(1), numbered(2)])
    [line] = [line for line in logged if line["event"] == "event_not_kept"]
    assert line["events"] == 2 and "event_id" not in line


def test_waiting_events_in_a_folder_without_locks_are_named(door, away, spool, monkeypatch):
    away.publish(numbered(1))
    monkeypatch.setattr(fcntl, "flock", failing(errno.ENOLCK))
    with pytest.raises(Unavailable) as told:
        patient(door.url, KEY, spool.folder).drain()
    [error] = told.value.errors
    assert error.field == "spool" and str(spool.folder) in error.message_vi
    assert (door.asked, len(spool.waiting())) == ([], 1)


def test_a_system_without_flock_is_told_so_where_events_would_be_kept(spool, monkeypatch):
    monkeypatch.setattr(spool_module, "HAS_LOCKS", False)  # as on Windows
    for open_publisher in (
        lambda folder: HttpPublisher("http://127.0.0.1:1", KEY, folder),
        lambda folder: Publisher("nats://127.0.0.1:1", UNIT, folder),
        lambda folder: SyncPublisher("nats://127.0.0.1:1", UNIT, folder),
    ):
        assert open_publisher(None)
        with pytest.raises(Invalid, match="Windows") as told:
            open_publisher(spool.folder)
        assert [error.field for error in told.value.errors] == ["spool"]


def test_the_spool_is_imported_without_flock(monkeypatch):
    monkeypatch.setitem(sys.modules, "fcntl", None)  # as on Windows
    spec = importlib.util.spec_from_file_location("spool_of_windows", spool_module.__file__)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert (module.HAS_LOCKS, spool_module.HAS_LOCKS) == (False, True)


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


def test_a_dry_run_asks_its_own_address_and_is_refused_as_an_event_is(door, spool):
    expected = {
        "event_id": "a" * 26, "content_id": "tin-1", "revision": 1, "is_known": False,
        "refusals": [], "warnings": [], "release": "desk", "lane": "normal",
        "channels": {"zalo": {"followers": 7}}, "previews": {}, "added_later": 1,
    }  # fmt: skip
    quota = {"per_minute": 600, "at_once": 200, "left": 199}
    outlook = {"dry_run": True, "events": [expected], "quota": quota}
    door.answers = [refused(503, Retry_After="0"), Given(200, outlook), refused(422)]
    publisher = patient(door.url, KEY, spool.folder)
    told = publisher.dry_run(numbered(1))
    assert (told.events[0].release, told.events[0].channels["zalo"]["followers"]) == ("desk", 7)
    with pytest.raises(Invalid):
        publisher.dry_run(numbered(1))
    assert [path for path, _, _ in door.asked] == ["/v1/dry-runs"] * 3
    assert door.ids == ["e-1"] * 3 and not spool.folder.exists()


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
