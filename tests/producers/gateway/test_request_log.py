"""The door's log: one line for an accepted request, and a sum for a flood of refused ones."""

import structlog

from producers.metrics import refusal_log
from producers.metrics.refusal_log import LINES_PER_WINDOW
from tests.support.gateway_client import BATCH, UNIT, sample_event


async def test_an_accepted_request_has_one_line_with_the_ids_of_its_events(client):
    events = [sample_event(id=f"lo-{number}", content_id=f"tin-{number}") for number in range(3)]
    with structlog.testing.capture_logs() as logs:
        one = (await client.post(sample_event())).json()
        answer = await client.post(events, BATCH)
        assert answer.status_code == 202, answer.text
        batch = answer.json()["events"]
    lines = [line for line in logs if line["event"] == "events_accepted"]
    assert [line["unit"] for line in lines] == [UNIT, UNIT]
    assert lines[0]["event_id"] == [one["event_id"]]
    assert lines[0]["content_id"] == [one["content_id"]]
    assert lines[1]["event_id"] == [event["event_id"] for event in batch]
    assert lines[1]["content_id"] == ["tin-0", "tin-1", "tin-2"]


async def test_a_flood_of_refusals_is_summed_up_per_unit(client, monkeypatch):
    monkeypatch.setattr(refusal_log, "WINDOW_S", 3600.0)
    with structlog.testing.capture_logs() as logs:
        for _ in range(40):
            await client.post(sample_event(title=""))
        for _ in range(3):
            await client.post(sample_event(), key="x")
        refusals = client.client._transport.app.state.refusals
        refusals.end_windows()  # as at a stop, or after a minute
    lines = [line.get("unit") for line in logs if line["event"] == "event_refused"]
    sums = [line for line in logs if line["event"] == "events_refused"]
    assert lines == [UNIT] * LINES_PER_WINDOW + [None] * 3
    [one] = sums
    assert (one["unit"], one["refused"], one["codes"]) == (UNIT, 40, {"invalid": 40})
