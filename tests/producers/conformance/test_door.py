"""The recording door fails as Loa may fail, and judges how a sender takes it."""

import json
import socket
import time
from http.client import HTTPConnection, HTTPException
from urllib.error import HTTPError
from urllib.request import ProxyHandler, Request, build_opener

import pytest

from contracts.errors import Invalid
from contracts.testing import sample
from contracts.vocabulary import DEFAULT
from producers.conformance.door import RecordingDoor
from producers.conformance.kit import read_steps
from producers.conformance.report import make_report
from producers.conformance.rules import Judge
from producers.conformance.scenario import DEFAULT_STEPS, Scenario, Step

OPENER = build_opener(ProxyHandler({}))


def ask(url, body=None, key="Bearer x"):
    """Status, headers and body of an answer; 0 where none came."""
    headers = {"Content-Type": "application/cloudevents+json", "Authorization": key}
    try:
        with OPENER.open(Request(url, body, headers), timeout=60) as answer:
            return answer.status, answer.headers, json.load(answer)
    except HTTPError as refused:
        with refused:
            return refused.code, refused.headers, json.load(refused)
    except (OSError, HTTPException):
        return 0, {}, {}


def careful(url, event):
    """Send one event as a good sender does; the last status."""
    while True:
        status, headers, _ = ask(f"{url}/v1/events", json.dumps(event).encode())
        if status not in (0, 408, 429) and status < 500:
            return status
        time.sleep(float(headers.get("Retry-After", 0)))


def events():
    for number, _ in enumerate(STEPS):
        event = sample(content_id=f"tin-{number}") | {"id": f"e-{number}"}
        yield event | {"subject": f"tin-{number}"}


STEPS = read_steps(DEFAULT_STEPS)


def door(steps=STEPS, retry_after_s=1):
    return RecordingDoor(Judge(DEFAULT), Scenario(steps, 0.1, retry_after_s), "127.0.0.1", 0)


def test_a_careful_sender_passes_the_whole_scenario():
    with door() as loa:
        statuses = [careful(loa.url, event) for event in events()]
        assert loa.is_done()
    assert statuses == [202] * 6 + [422]
    loa.judge.finish()
    report = make_report(loa.judge)
    assert report.findings == [] and report.passed
    tried = {str(result.rule) for result in report.rules}
    assert {"try-again", "retry-after", "stop", "same-bytes"} <= tried


def broken_rules(loa):
    loa.judge.finish()
    return [str(one.rule) for one in loa.judge.findings]


@pytest.mark.parametrize(
    "step", [Step.UNAVAILABLE, Step.TOO_MANY, Step.SLOW, Step.CUT, Step.SILENCE]
)
def test_a_sender_that_gives_up_has_lost_its_event(step):
    with door([step]) as loa:
        [event, *_] = events()
        assert ask(f"{loa.url}/v1/events", json.dumps(event).encode())[0] != 202
        assert not loa.is_done()
    assert broken_rules(loa) == ["try-again"]


def test_a_sender_that_repeats_at_once_with_a_new_id_is_told_so():
    with door([Step.UNAVAILABLE]) as loa:
        [event, *_] = events()
        for number in range(2):
            ask(f"{loa.url}/v1/events", json.dumps(event | {"id": f"n-{number}"}).encode())
    assert broken_rules(loa) == ["new-id", "try-again"]


def test_a_sender_that_does_not_wait_or_stop_is_told_so():
    with door([Step.TOO_MANY, Step.REFUSE], retry_after_s=600) as loa:
        for event in list(events())[:2]:
            for _ in range(2):
                ask(f"{loa.url}/v1/events", json.dumps(event).encode())
    assert broken_rules(loa) == ["retry-after", "stop"]


def test_a_sender_that_repeats_a_broken_event_is_told_so():
    with door([]) as loa:
        [event, *_] = events()
        broken = json.dumps(event | {"data": event["data"] | {"titel": "x"}}).encode()
        statuses = [ask(f"{loa.url}/v1/events", broken)[0] for _ in range(3)]
    assert statuses == [422] * 3
    assert broken_rules(loa) == ["event", "event", "stop", "event", "stop"]


def test_the_door_refuses_what_loa_refuses_and_tells_the_status_of_the_rest():
    with door([]) as loa:
        [event, *_] = events()
        url = f"{loa.url}/v1/events"
        assert ask(url, b"{")[0] == 400
        status, _, problem = ask(url, json.dumps(event | {"data": {}}).encode())
        assert status == 422 and "data.title" in {one["field"] for one in problem["errors"]}
        assert ask(url, json.dumps(event).encode(), key="")[0] == 401
        answer = ask(url, json.dumps(event).encode())[2]
        assert ask(f"{loa.url}{answer['status_url']}")[2]["state"] == "received"
        assert ask(f"{url}/nothing")[0] == 404


@pytest.mark.parametrize("path", ["/v1/dry-runs", "/v1/events?dry_run=1"])
def test_a_dry_run_is_answered_and_counts_as_no_try(path):
    with door([Step.UNAVAILABLE]) as loa:
        [event, *_] = events()
        body = json.dumps(event).encode()
        status, _, outlook = ask(f"{loa.url}{path}", body)
        [expected] = outlook["events"]
        assert (status, outlook["dry_run"], expected["is_known"]) == (200, True, False)
        assert ask(f"{loa.url}/v1/events/{expected['event_id']}")[0] == 404
        assert careful(loa.url, event) == 202
        misspelt = event | {"data": event["data"] | {"titel": "x"}}
        assert ask(f"{loa.url}{path}", json.dumps(misspelt).encode())[0] == 422
        assert loa.is_done()
    assert broken_rules(loa) == ["event"]


def test_steps_are_read_and_a_wrong_one_is_named():
    assert read_steps("202, cut") == (Step.ACCEPT, Step.CUT)
    with pytest.raises(Invalid) as refused:
        read_steps("202,500")
    assert refused.value.errors[0].field == "--steps"


def test_a_body_in_pieces_is_read_whole():
    with door([]) as loa:
        [event, *_] = events()
        body = json.dumps(event).encode()
        host, port = loa.url.removeprefix("http://").split(":")
        connection = HTTPConnection(host, int(port), timeout=60)
        headers = {"Content-Type": "application/cloudevents+json", "Authorization": "Bearer x"}
        for _ in range(2):  # the connection goes on
            connection.request("POST", "/v1/events", iter([body[:9], body[9:]]), headers)
            assert connection.getresponse().read().startswith(b'{"event_id"')
        connection.close()
    assert broken_rules(loa) == []


@pytest.mark.parametrize("size", [b"-5", b"0x5", b"zz", b"", b"f" * 9])
def test_a_piece_of_no_size_is_refused_by_name(size, capfd):
    head = b"POST /v1/events HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
    with door([]) as loa:
        host, port = loa.url.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port)), timeout=60) as connection:
            connection.sendall(head + size + b"\r\n")
            answer = b"".join(iter(lambda: connection.recv(4096), b""))
    assert answer.startswith(b"HTTP/1.1 400 ") and b"Transfer-Encoding" in answer
    assert broken_rules(loa) == ["request"]
    assert "Traceback" not in capfd.readouterr().err
