"""Recordings are read in each of their forms, and one that is none is named by its place."""

import base64
import json

import pytest

from contracts.errors import Invalid
from contracts.testing import sample
from producers.conformance.recordings import Sent, read_recordings

BODY = json.dumps(sample(), ensure_ascii=False)
REQUEST = {"headers": {"Content-Type": "application/cloudevents+json"}, "body": BODY}


def read(path):
    return list(read_recordings([path]))


def lines(tmp_path, *values):
    file = tmp_path / "requests.jsonl"
    texts = [one if isinstance(one, str) else json.dumps(one) for one in values]
    file.write_text("\n".join(texts) + "\n\n")
    return file


def test_a_folder_gives_every_file_of_events_by_name(tmp_path):
    (tmp_path / "b").mkdir()
    for name in ("b/2.json", "1.json", "note.txt"):
        (tmp_path / name).write_text(BODY)
    assert [one.place for one in read(tmp_path)] == [
        str(tmp_path / n) for n in ("1.json", "b/2.json")
    ]
    assert {one.body for one in read(tmp_path)} == {BODY.encode()}


def test_a_file_that_is_named_is_read_whatever_its_ending(tmp_path):
    (tmp_path / "event").write_text(BODY)
    assert read(tmp_path / "event") == [Sent(str(tmp_path / "event"), BODY.encode())]


def test_lines_are_requests_events_and_messages(tmp_path):
    answered = {"path": "/v1/events?x=1", "status": 503, "retry_after_s": 5, "at": 7.5}
    in_bytes = {"headers": {}, "body_base64": base64.b64encode(b"\xff").decode()}
    on_bus = REQUEST | {"subject": "content.a.submitted"}
    as_json = REQUEST | {"body": sample()}
    file = lines(tmp_path, REQUEST | answered, in_bytes, on_bus, as_json, BODY, "{")
    request, binary, message, inner, event, broken = read(file)
    assert request.body == BODY.encode() and request.headers == REQUEST["headers"]
    assert (request.path, request.status, request.at) == ("/v1/events", 503, 7.5)
    assert binary.body == b"\xff" and message.subject == "content.a.submitted"
    assert json.loads(inner.body) == sample()
    assert event.headers is None and event.body == BODY.encode()
    assert broken.body == b"{" and broken.place == f"{file}:6"


@pytest.mark.parametrize(
    ("path", "is_dry_run"),
    [
        *(("/v1/events", False), ("/v1/events?x=1", False), ("/v1/dry-runs", True)),
        *(("/v1/events?dry_run=1", True), ("https://loa.example/v1/dry-runs", True)),
    ],
)
def test_a_dry_run_is_told_from_an_event_in_earnest(tmp_path, path, is_dry_run):
    archived = {"request": {"method": "POST", "url": f"https://loa.example{path}"}}
    (tmp_path / "x.har").write_text(json.dumps({"log": {"entries": [archived]}}))
    if path.startswith("/"):
        assert [one.is_dry_run for one in read(tmp_path / "x.har")] == [is_dry_run]
    assert [one.is_dry_run for one in read(lines(tmp_path, REQUEST | {"path": path}))] == [
        is_dry_run
    ]


@pytest.mark.parametrize(
    "line",
    [
        {},
        {"headers": {}},
        {"body": ""},
        {"headers": 1, "body": ""},
        {"headers": {}, "body_base64": "%"},
        {"headers": {}, "body": "", "status": "no"},
        {"headers": {}, "body": "", "status": 1e999},
        {"headers": {}, "body": "", "at": []},
        {"headers": {}, "body": "", "url": "http://["},
    ],
)
def test_a_line_that_is_no_request_is_named_by_its_place(tmp_path, line):
    file = lines(tmp_path, REQUEST, line)
    with pytest.raises(Invalid) as refused:
        read(file)
    assert [one.field for one in refused.value.errors] == [f"{file}:2"]


def test_an_http_archive_gives_its_posts(tmp_path):
    headers = [{"name": "Authorization", "value": "Bearer x"}]
    post = {"method": "POST", "url": "https://loa.example/v1/events", "headers": headers}
    entries = [
        {"request": {"method": "GET", "url": "https://loa.example/"}, "response": {"status": 200}},
        {"request": post | {"postData": {"text": BODY}}, "response": {"status": 202}},
    ]
    (tmp_path / "traffic.har").write_text(json.dumps({"log": {"entries": entries}}))
    [sent] = read(tmp_path)
    assert (sent.body, sent.status, sent.path) == (BODY.encode(), 202, "/v1/events")
    assert sent.headers == {"Authorization": "Bearer x"}


def archive(tmp_path, *entries):
    file = tmp_path / "traffic.har"
    file.write_text(json.dumps({"log": {"entries": entries}}))
    return file


def test_a_body_in_base64_is_read_from_an_http_archive(tmp_path):
    posted = {"text": base64.b64encode(BODY.encode()).decode(), "encoding": "base64"}
    request = {"method": "POST", "url": "http://loa/v1/events", "postData": posted}
    [sent] = read(archive(tmp_path, {"request": request}))
    assert (sent.body, sent.status) == (BODY.encode(), None)


ARCHIVED = {"method": "POST", "url": "http://loa/v1/events"}


@pytest.mark.parametrize(
    "entry",
    [
        1,
        {},
        {"request": None},
        {"request": {"method": "POST"}},
        {"request": {"url": "http://loa/v1/events"}},
        {"request": ARCHIVED | {"headers": [{"name": "a"}]}},
        {"request": ARCHIVED | {"headers": 1}},
        {"request": ARCHIVED | {"postData": "a"}},
        {"request": ARCHIVED | {"postData": {"text": "%", "encoding": "base64"}}},
        {"request": ARCHIVED, "response": {"status": "no"}},
    ],
    ids=json.dumps,
)
def test_an_entry_of_an_archive_that_is_no_request_is_named_by_its_place(tmp_path, entry):
    file = archive(tmp_path, {"request": ARCHIVED, "response": None}, entry)
    with pytest.raises(Invalid) as refused:
        read(file)
    assert [one.field for one in refused.value.errors] == [f"{file}:2"]


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(Invalid) as refused:
        read(tmp_path / "no.json")
    assert refused.value.errors[0].field == str(tmp_path / "no.json")
