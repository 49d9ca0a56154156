"""The door counts each event once, by unit, kind and answer."""

from contextlib import suppress
from types import SimpleNamespace

import pytest
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from producers import metrics
from producers.bus import NoReply
from producers.gateway import request_count
from producers.gateway.request_count import count_request
from tests.support.gateway_client import BATCH, UNIT, sample_event
from tests.support.metric_values import metric

COUNTS = "loa_events_total"


@pytest.fixture
def counted():
    """Counts of the door since the start of the test: (unit, kind, answer) → events."""
    before = events()

    def since() -> dict[tuple[str, str, str], float]:
        now = events()
        return {
            key: value - before.get(key, 0)
            for key, value in now.items()
            if value != before.get(key, 0)
        }

    return since


def events() -> dict[tuple[str, str, str], float]:
    [family] = [one for one in metrics.REGISTRY.collect() if f"{one.name}_total" == COUNTS]
    http = [one for one in family.samples if one.labels["door"] == "http"]
    return {
        tuple(one.labels[name] for name in ("unit", "kind", "answer")): one.value for one in http
    }


def requests(result: str) -> float:
    return metric("loa_door_request_seconds_count", result=result)


@pytest.mark.parametrize("result", ["accepted", "refused"])
def test_the_time_of_each_answer_is_added_to_its_result(clock, monkeypatch, result):
    name = "loa_door_request_seconds_sum"
    before = metric(name, result=result)
    monkeypatch.setattr(request_count, "time", SimpleNamespace(monotonic=clock))
    with suppress(HTTPException), count_request():
        clock.advance(1.5)
        if result == "refused":
            raise HTTPException(400)
    assert metric(name, result=result) - before == pytest.approx(1.5)


async def test_events_are_counted_by_unit_kind_and_answer(client, counted):
    timed = requests("accepted"), requests("refused")
    assert (await client.post(sample_event())).status_code == 202
    assert (await client.post(sample_event())).status_code == 202
    assert (
        await client.post([sample_event(id="b-1", content_id="b"), sample_event()], BATCH)
    ).status_code == 202
    assert (await client.post(sample_event(id="x", title=""))).status_code == 422
    assert counted() == {
        (UNIT, "submitted", "accepted"): 2,
        (UNIT, "submitted", "known"): 2,
        (UNIT, "submitted", "invalid"): 1,
    }
    assert (requests("accepted") - timed[0], requests("refused") - timed[1]) == (3, 1)


async def test_who_sends_nonsense_makes_no_series_of_their_own(client, counted):
    for number in range(30):
        assert (await client.post(b"{", key=f"khoa-{number}")).status_code in (401, 429)
        odd = sample_event(id=f"e{number}") | {"type": f"vn.gov.moha.loai{number}.v1"}
        assert (await client.post(odd)).status_code == 422
    assert (await client.post(b"{")).status_code == 400
    found = counted()
    assert set(found) <= {
        ("other", "other", "unauthorized"), ("other", "other", "rate_limited"),
        (UNIT, "other", "invalid"), (UNIT, "other", "unreadable"),
    }  # fmt: skip
    assert sum(found.values()) == 61


@pytest.mark.parametrize(
    ("error", "answer", "result"),
    [
        (ClientDisconnect(), "unfinished", "refused"),
        (HTTPException(408), "unfinished", "refused"),
        (NoReply("no answer"), "unavailable", "unavailable"),
        (RuntimeError("a bug"), "error", "unavailable"),
    ],
)
def test_a_request_that_ends_otherwise_is_counted_and_its_error_goes_on(
    counted, error, answer, result
):
    timed = requests(result)
    with pytest.raises(type(error)), count_request() as count:
        count.unit = UNIT
        raise error
    assert counted() == {(UNIT, "other", answer): 1} and requests(result) == timed + 1
