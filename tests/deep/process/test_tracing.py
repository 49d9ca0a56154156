"""One trace leads from a unit's request to the windows, in a real OTLP receiver."""

import json
import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.support.gateway_client import UNIT, sample_event
from tests.support.loa_process import LoaProcess, RelayProcess, wait_until
from tests.support.otlp_receiver import OtlpReceiver, ReceivedSpan, otlp_receiver
from tests.support.ports import free_port

READERS = 30
"""Two windows of mail."""
PARENT = "00f067aa0ba902b7"
POST = "POST /v1/events"
WHOLE_WAY = {POST: 1, "portal_write": 1, "deliver_DELIVER": 3, "window": 5}
WHOLE_WAY |= {"dispatch_PUBLICATIONS": 3}
"""Each span is sent when it ends, so the outer ones come last."""
SECRET = "ma-rieng-cua-bo-thu-thap"
TITLE = "Tiêu đề riêng của tin này"
BODY = "Nội dung riêng của tin này."


def trace_of(number: int) -> str:
    return f"{number:032x}"


def traceparent(number: int, flags: str = "01") -> str:
    return f"00-{trace_of(number)}-{PARENT}-{flags}"


def test_nothing_of_opentelemetrys_sdk_is_imported_while_traces_are_off():
    words = "import sys, consumers.cli, consumers.app.process, consumers.app.services"
    check = "print([one for one in sys.modules if one.startswith('opentelemetry.sdk')])"
    done = subprocess.run(
        [sys.executable, "-c", f"{words}; {check}"], capture_output=True, text=True, check=True
    )
    assert done.stdout == "[]\n"


def traced(loa: LoaProcess, url: str) -> None:
    loa.environ |= {
        "OTEL_EXPORTER_OTLP_ENDPOINT": url,
        "OTEL_EXPORTER_OTLP_HEADERS": f"authorization=Bearer%20{SECRET}",
        "OTEL_BSP_SCHEDULE_DELAY": "100",
        "OTEL_EXPORTER_OTLP_TIMEOUT": "600",
    }


@pytest.fixture(scope="module")
def collector() -> Iterator[OtlpReceiver]:
    with otlp_receiver() as receiver:
        yield receiver


@pytest.fixture(scope="module")
def loa(tmp_path_factory, collector) -> Iterator[LoaProcess]:
    folder = tmp_path_factory.mktemp("tracing")
    with RelayProcess(folder) as relay:
        process = LoaProcess(folder, **relay.settings)
        traced(process, collector.url)
        with process:
            process.add_unit(UNIT, "--notices", "email")
            process.readers(READERS)
            yield process


def spans_of(receiver: OtlpReceiver, trace: str, **counts: int) -> dict[str, list[ReceivedSpan]]:
    """The spans of a trace by name, once there are so many of each kind."""

    def found() -> dict[str, list[ReceivedSpan]]:
        by_name: dict[str, list[ReceivedSpan]] = {}
        for span in receiver.spans():
            if span.trace == trace:
                by_name.setdefault(span.name, []).append(span)
        wanted = {name.replace("_", " "): count for name, count in counts.items()}
        here = all(len(by_name.get(name, ())) >= count for name, count in wanted.items())
        return by_name if here else {}

    return wait_until(found, f"{counts} of {trace}")


def parents(spans: list[ReceivedSpan]) -> set[str]:
    return {span.parent for span in spans}


def test_one_trace_leads_from_the_request_to_every_window(loa, collector):
    event = sample_event(id="e-1", content_id="tin-mot", title=TITLE, body=BODY)
    said = {"traceparent": traceparent(1), "tracestate": "rojo=00f067aa0ba902b7"}
    answer = loa.post(event, **said)
    assert answer.status == 202, answer
    loa.trace_when_complete("tin-mot")
    spans = spans_of(collector, trace_of(1), **WHOLE_WAY)
    [request], [accept], [store] = (spans[name] for name in (POST, "accept", "store CONTENT"))
    assert (request.parent, request.kind, request.state) == (PARENT, "SERVER", said["tracestate"])
    assert request.attributes["http.response.status_code"] == 202
    assert parents([accept, store]) == {request.id}
    [intake], [release] = spans["intake CONTENT"], spans["release PUBLICATIONS"]
    assert (intake.parent, release.parent) == (store.id, intake.id)
    assert parents(spans["dispatch PUBLICATIONS"]) == {release.id}
    dispatched = {one.attributes["loa.channel"]: one.id for one in spans["dispatch PUBLICATIONS"]}
    delivered = {one.attributes["loa.channel"]: one for one in spans["deliver DELIVER"]}
    assert {name: one.parent for name, one in delivered.items()} == dispatched
    windows = [one for one in spans["window"] if one.parent == delivered["email"].id]
    rows = [one.attributes["messaging.batch.message_count"] for one in windows]
    assert rows == [25, 5], "a span for a window, and none for a recipient"
    [write] = spans["portal write"]
    assert write.parent in {
        one.id for one in spans["window"] if one.parent == delivered["portal"].id
    }
    assert parents(spans["zalo call"]) <= {
        one.id for one in spans["window"] if one.parent == delivered["zalo"].id
    }
    names = {one.attributes["url.template"] for one in spans["zalo call"]}
    assert any("article/create" in name for name in names), names
    assert delivered["email"].attributes["loa.rows.delivered"] == READERS
    lines = {one["event"] for one in map(json.loads, loa.log().splitlines()) if "trace_id" in one}
    assert {"events_accepted", "publication_released", "batch_worked"} <= lines
    [accepted] = [one for one in loa.logged("events_accepted") if "tin-mot" in one["content_id"]]
    assert accepted["trace_id"] == trace_of(1)
    assert collector.resources()[0]["service.name"] == "loa"


def test_an_event_brings_its_own_trace_and_a_malformed_one_begins_another(loa, collector):
    quiet = {"channels": ["portal"]}
    own = sample_event(id="e-2", content_id="tin-hai", **quiet) | {"traceparent": traceparent(2)}
    assert loa.post(own).status == 202
    spans = spans_of(collector, trace_of(2), window=1, **{POST: 1})
    assert spans[POST][0].parent == PARENT

    both = sample_event(id="e-3", content_id="tin-ba", **quiet) | {"traceparent": traceparent(3)}
    assert loa.post(both, traceparent=traceparent(4)).status == 202
    [store] = spans_of(collector, trace_of(3), window=1)["store CONTENT"]
    [request] = spans_of(collector, trace_of(4), **{POST: 1})[POST]
    assert (store.parent, store.links) == (PARENT, ((trace_of(4), request.id),))

    for number, broken in enumerate(["00-1-2-03", traceparent(0), f"ff{traceparent(5)[2:]}", "x"]):
        content = f"tin-hong-{number}"
        event = sample_event(id=content, content_id=content, **quiet)
        assert loa.post(event | {"traceparent": broken}, traceparent=broken).status == 202
        loa.trace_when_complete(content)
        [store] = wait_until(
            lambda of=content: [
                one
                for one in collector.spans("store CONTENT")
                if one.attributes["loa.content_id"] == of
            ],
            content,
        )
        [request] = spans_of(collector, store.trace, window=1, **{POST: 1})[POST]
        assert (request.parent, store.parent) == ("", request.id), broken


def test_a_notice_and_a_batch_and_what_never_leaves(loa, collector):
    unsampled = sample_event(id="e-4", content_id="tin-bon", channels=["portal"])
    assert loa.post(unsampled, traceparent=traceparent(6, "00")).status == 202
    loa.trace_when_complete("tin-bon")

    notice = sample_event("updated", id="n-1") | {"traceparent": traceparent(7)}
    assert loa.post(notice).status == 202
    spans = spans_of(collector, trace_of(7), window=1, notice_CONTENT=1, deliver_DELIVER=1)
    assert parents(spans["notice CONTENT"]) == {spans["store CONTENT"][0].id}
    assert parents(spans["deliver DELIVER"]) == {spans["notice CONTENT"][0].id}

    batch = [
        sample_event(id=f"b-{number}", content_id=f"lo-{number}", channels=["portal"])
        | {"traceparent": traceparent(number)}
        for number in (8, 9)
    ]
    answer = loa.post(batch, content_type="application/cloudevents-batch+json")
    assert answer.status == 202, answer
    stores = [spans_of(collector, trace_of(n), window=1)["store CONTENT"][0] for n in (8, 9)]
    [request] = {link for store in stores for link in store.links}
    assert parents(stores) == {PARENT}
    wait_until(
        lambda: request in {(one.trace, one.id) for one in collector.spans(POST)}, "their request"
    )

    refused = sample_event(id="e-5", content_id="tin-nam", topic="khong-co")
    assert loa.post(refused, traceparent=traceparent(10)).status == 422
    [span] = spans_of(collector, trace_of(10), **{POST: 1})[POST]
    assert (span.attributes["http.response.status_code"], span.failed) == (422, False)

    assert loa.violations() == []
    assert loa.stop() == 0
    sent = b"".join(collector.bodies)
    private = [TITLE, BODY, SECRET, loa.key, "@example.com", "nguoi0", *words_of(notice["data"])]
    assert [text for text in private if text.encode() in sent] == []
    assert trace_of(6) not in {one.trace for one in collector.spans()}
    assert {one["authorization"] for one in collector.headers} == {f"Bearer {SECRET}"}
    assert SECRET not in loa.log()
    assert loa.logged("spans_dropped") == []


def words_of(data: dict) -> list[str]:
    """The words of a dossier's event: its code, the contact, the names."""
    texts = {**data, **data["contact"]}.values()
    words = [text for text in texts if isinstance(text, str) and text.lower() != text]
    assert len(words) > 2, data
    return [*words, data["contact"]["email"]]


def test_without_a_working_collector_everything_is_delivered_and_the_loss_is_told(tmp_path):
    port, loa = free_port(), LoaProcess(tmp_path)
    traced(loa, f"http://127.0.0.1:{port}")
    with loa:
        loa.add_unit()
        loa.readers(1)
        loa.publish("tin-mot", "email", "portal")
        loa.trace_when_complete("tin-mot")
        with otlp_receiver(port) as silent:
            silent.silent = True
            assert silent.requested.wait(60)
            loa.publish("tin-hai", "email", "portal")
            loa.trace_when_complete("tin-hai")
            assert loa.stop() == 0
    [dropped] = loa.logged("spans_dropped")
    assert dropped["spans"] == dropped["total"] >= 20
