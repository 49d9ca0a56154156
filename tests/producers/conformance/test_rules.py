"""A sender that keeps the rules has no finding; each broken rule is named, with its place."""

import json
from dataclasses import replace

import pytest

from contracts.cloudevent import CloudEvent
from contracts.envelope import to_binary
from contracts.schemas import vectors
from contracts.testing import KIND_NAMES, sample
from contracts.vocabulary import DEFAULT
from producers.conformance.kit import Task, run
from producers.conformance.recordings import Sent
from producers.conformance.report import make_report, report_lines
from producers.conformance.rules import Judge, Rule
from producers.texts import get_text

UNIT = "van-phong-bo"
HTTP = {"Content-Type": "application/cloudevents+json", "Authorization": "Bearer loa_x"}
BATCH = HTTP | {"Content-Type": "application/cloudevents-batch+json"}


def event(number=1, kind="submitted", **data):
    found = sample(kind, content_id=f"tin-{number}", **data)
    del found["subject"]
    return found | {"source": f"/units/{UNIT}", "id": f"e-{number}.{kind}"}


def http(value, place="#1", **more):
    return Sent(place, json.dumps(value).encode(), HTTP, **more)


def message(value, kind="submitted", message_id=None):
    headers = {"Nats-Msg-Id": message_id or f"{value['source']}|{value['id']}"}
    subject = f"content.{UNIT}.{kind}"
    return Sent("bus", json.dumps(value).encode(), headers, subject=subject)


def judged(*requests, unit=UNIT):
    judge = Judge(DEFAULT, unit)
    for number, sent in enumerate(requests, 1):
        judge.judge(replace(sent, place=f"#{number}"))
    judge.finish()
    return make_report(judge)


def named(report):
    return [(one.place, str(one.rule), one.field, one.level) for one in report.findings]


FIRST = event()
NEXT = event(1, "corrected", revision=2, corrects_revision=1)
UNAVAILABLE = {"status": 503, "retry_after_s": 5.0}

GOOD = {
    "one of each kind": [
        http(event(n, kind)) for n, kind in enumerate(KIND_NAMES) if kind != "updated"
    ],
    "a text and its correction": [http(FIRST), http(NEXT)],
    "a batch": [Sent("", json.dumps([event(1), event(2)]).encode(), BATCH)],
    "the same again": [http(FIRST), http(FIRST)],
    "again after 503": [http(FIRST, at=0.0, **UNAVAILABLE), http(FIRST, at=5.1, status=202)],
    "again after no answer": [http(FIRST, at=0.0, status=0), http(FIRST, at=0.1, status=202)],
    "corrected after 422": [
        http(FIRST, status=422),
        http(FIRST | {"data": FIRST["data"] | {"title": "Bản đúng"}}, status=202),
    ],
    "asked before it was sent": [
        http(FIRST, path="/v1/dry-runs", status=200, is_dry_run=True),
        http(FIRST, status=202),
    ],
    "asked, and changed": [
        http(FIRST, status=200, is_dry_run=True),
        http(FIRST | {"data": FIRST["data"] | {"title": "Khác"}}, status=202),
    ],
    "messages on the bus": [message(FIRST), message(NEXT, "corrected"), message(FIRST)],
}
BAD = {
    "GET": ([http(FIRST, method="GET")], ("#1", "request", "method", "error")),
    "elsewhere": ([http(FIRST, path="/events")], ("#1", "request", "path", "error")),
    "no key": (
        [Sent("", json.dumps(FIRST).encode(), {"Content-Type": HTTP["Content-Type"]})],
        ("#1", "request", "Authorization", "error"),
    ),
    "no JSON": ([Sent("", b"{", HTTP)], ("#1", "event", "event", "error")),
    "another type": (
        [Sent("", b"{}", HTTP | {"Content-Type": "text/plain"})],
        ("#1", "event", "Content-Type", "error"),
    ),
    "a field": ([http(event(titel="x"))], ("#1", "event", "data.titel", "error")),
    "a field in a batch": (
        [Sent("", json.dumps([event(1), event(2, title="")]).encode(), BATCH)],
        ("#1", "event", "data.title", "error"),
    ),
    "another unit's source": (
        [http(FIRST | {"source": "/units/vu-phap-che"})],
        ("#1", "event", "source", "error"),
    ),
    "over already": (
        [http(event(expires_at="2020-01-01T00:00:00Z"))],
        ("#1", "event", "data.expires_at", "error"),
    ),
    "a text that readers see otherwise": (
        [http(event(title="Th?ng b?o v? vi?c ngh? l?"))],
        ("#1", "event", "data.title", "warning"),
    ),
    "an id for another content": (
        [http(FIRST), http(FIRST | {"data": FIRST["data"] | {"title": "Khác"}})],
        ("#2", "same-id", "id", "error"),
    ),
    "a repeat with another time": (
        [http(FIRST), http(FIRST | {"time": "2026-11-26T08:00:00Z"})],
        ("#2", "same-bytes", "event", "warning"),
    ),
    "a new id at every try": (
        [http(FIRST, status=503), http(FIRST | {"id": "e-2"}), http(FIRST)],
        ("#2", "new-id", "id", "error"),
    ),
    "a revision twice": (
        [http(FIRST), http(event(title="Bản hai") | {"id": "e-1.b"})],
        ("#2", "revision", "data.revision", "error"),
    ),
    "lost after 503": ([http(FIRST, **UNAVAILABLE)], ("#1", "try-again", "id", "error")),
    "lost after no answer": ([http(FIRST, status=0)], ("#1", "try-again", "id", "error")),
    "lost after 429": ([http(FIRST, status=429)], ("#1", "try-again", "id", "error")),
    "too early": (
        [http(FIRST, at=0.0, **UNAVAILABLE), http(FIRST, at=1.0)],
        ("#2", "retry-after", "Retry-After", "error"),
    ),
    "a refusal again": (
        [http(FIRST, status=422), http(FIRST, status=422)],
        ("#2", "stop", "event", "error"),
    ),
    "a subject of another kind": (
        [message(FIRST, "corrected")],
        ("#1", "subject", "subject", "error"),
    ),
    "no message id": (
        [replace(message(FIRST), headers={})],
        ("#1", "message-id", "Nats-Msg-Id", "error"),
    ),
    "a message id of another event": (
        [message(FIRST), message(event(2), message_id=f"/units/{UNIT}|e-1.submitted")],
        ("#2", "message-id", "Nats-Msg-Id", "error"),
    ),
    "a message id of its own making": (
        [message(FIRST, message_id="cms-7")],
        ("#1", "message-id", "Nats-Msg-Id", "warning"),
    ),
    "a dossier on the bus": (
        [message(sample("updated") | {"source": f"/units/{UNIT}"}, "updated")],
        ("#1", "event", "type", "error"),
    ),
}


@pytest.mark.parametrize("case", GOOD)
def test_a_sender_that_keeps_the_rules_has_no_finding(case):
    report = judged(*GOOD[case])
    assert (named(report), report.passed) == ([], True)


@pytest.mark.parametrize("case", BAD)
def test_a_broken_rule_is_named_with_its_place(case):
    requests, found = BAD[case]
    report = judged(*requests)
    assert named(report) == [found]
    assert report.passed is (found[3] == "warning")
    assert all(one.message and one.message_vi for one in report.findings)


BROKEN = event(titel="x")
UNREADABLE = Sent("", b"{", HTTP, status=400)
BINARY = Sent("", b"{}", {"Content-Type": "application/json", "ce-id": "100%"}, status=400)


def batch(*sent, **more):
    return Sent("", json.dumps(sent).encode(), BATCH, **more)


REFUSED_AGAIN = {
    "a broken event": [http(BROKEN, status=422), http(BROKEN, status=422)],
    "with another time": [
        http(BROKEN, status=422),
        http(BROKEN | {"time": "2026-11-26T08:00:00Z"}, status=422),
    ],
    "between others": [http(BROKEN, status=422), http(event(2), status=202), http(BROKEN)],
    "no event at all": [UNREADABLE, UNREADABLE],
    "in a batch": [
        batch(event(2), BROKEN, status=422),
        batch(BROKEN, event(3), status=422),
    ],
    "a whole batch": [batch(event(2), event(3), status=422), batch(event(2), event(3))],
}
NOT_AGAIN = {
    "still broken, but changed": [http(BROKEN, status=422), http(event(titl="x"), status=422)],
    "another broken header": [BINARY, replace(BINARY, headers=BINARY.headers | {"ce-id": "2%"})],
    "after no answer": [http(BROKEN, status=0), http(BROKEN, status=422)],
    "with another key": [http(FIRST, status=401), http(FIRST, status=202)],
    "asked about, and asked about again": [http(BROKEN, status=422, is_dry_run=True)] * 2,
    "asked about, and sent": [
        http(BROKEN, status=422, is_dry_run=True),
        http(BROKEN, status=422),
    ],
    "sent, and asked about": [
        http(BROKEN, status=422),
        http(BROKEN, status=422, is_dry_run=True),
    ],
    "asked about without an event": [replace(UNREADABLE, is_dry_run=True)] * 2,
    "at the right path": [http(FIRST, status=404, path="/v1"), http(FIRST, status=202)],
    "the others of a batch": [
        batch(event(2), BROKEN, status=422),
        batch(event(2), event(1), status=202),
    ],
}


def stops(case):
    return [found[0] for found in named(judged(*case)) if found[1] == "stop"]


@pytest.mark.parametrize("case", REFUSED_AGAIN)
def test_what_was_refused_for_good_and_comes_again_unchanged_is_named(case):
    requests = REFUSED_AGAIN[case]
    assert set(stops(requests)) == {f"#{len(requests)}"}


@pytest.mark.parametrize("case", NOT_AGAIN)
def test_what_was_changed_or_may_come_again_is_no_repeat_of_a_refusal(case):
    assert stops(NOT_AGAIN[case]) == []


def test_every_rule_for_requests_is_shown_broken_by_a_case():
    shown = {found[1] for _, found in BAD.values()}
    assert shown == set(Rule) - {Rule.VECTORS, Rule.DOOR}


def test_the_binary_form_is_judged_as_the_structured_one():
    headers, body = to_binary(CloudEvent(**FIRST))
    headers["Content-Type"] = headers.pop("ce-datacontenttype")
    report = judged(Sent("", body, headers | {"Authorization": "Bearer x"}))
    assert named(report) == []
    headers["ce-id"] = "100%"
    report = judged(Sent("", body, headers | {"Authorization": "Bearer x"}))
    assert named(report) == [("#1", "event", "ce-id", "error")]


def test_a_sender_whose_source_names_no_unit_is_judged_by_all_that_needs_none():
    foreign = FIRST | {"source": "urn:cms:1"}
    assert named(judged(http(foreign), http(foreign), unit="")) == []
    changed = foreign | {"data": foreign["data"] | {"title": "Khác"}}
    assert [one[1] for one in named(judged(http(foreign), http(changed), unit=""))] == ["same-id"]


def test_the_report_says_what_failed_what_passed_and_what_was_not_seen():
    spelt = event(title="Th?ng b?o v? vi?c ngh? l?")
    report = judged(http(spelt), http(FIRST), http(FIRST, at=0.0, **UNAVAILABLE))
    assert {Rule.RETRY_AFTER, Rule.VECTORS} <= set(report.not_tried)
    lines = list(report_lines(report))
    heads = [line for line in lines if not line.startswith(" ")]
    assert [head.partition(": ")[0].partition(" / ")[0] for head in heads] == [
        *("FAILED", "FAILED", "passed, with warnings"),
        *("passed, and how often tried", "not seen in this recording", "rules are broken"),
    ]
    assert "same-id: " in heads[0] and "try-again: " in heads[1] and "event: " in heads[2]
    assert heads[3].endswith(": request 3, same-bytes 1, new-id 1")
    assert heads[4].endswith(": revision, subject, message-id, retry-after, stop")
    assert lines[1].startswith("  to do / việc cần làm: give a changed text an id of its own / ")
    assert lines[2].startswith("  #2: id: was used at #1 for another content")


@pytest.mark.parametrize("rule", Rule)
def test_each_rule_has_a_text_and_says_what_to_do(rule):
    for part in ("conformance_rule", "conformance_do"):
        en, vi = get_text(part, rule)
        assert en and vi and en != vi


def test_answers_of_another_implementation_are_held_to_the_vectors(tmp_path):
    file = tmp_path / "answers.json"
    document = vectors.build_document()
    file.write_text(json.dumps(document))
    task = Task(vectors=file)
    assert run(task, DEFAULT, print).passed
    document["digest"][1]["digest"] = "x"
    file.write_text(json.dumps(document))
    report = run(task, DEFAULT, print)
    assert [one.field for one in report.findings] == ["digest[1]: digest"]
    assert not report.passed
