"""`GET /v1/events`: a unit's own events of 30 days, page by page, and no other's."""

import time

import pytest

from consumers.desk import unit_events
from consumers.trials.store import TrialStore
from contracts import subjects
from tests.support.gateway_client import OTHER, UNIT, sample_event, stored_events
from tests.support.trials import TrialApp


@pytest.fixture
async def app(bus, tmp_path):
    async with TrialApp.opened(bus, tmp_path, "an@moha.example") as app:
        yield app


async def listed(app, query="", key=None):
    answer = await app.door.get(f"/v1/events{query}", key=app.live_key if key is None else key)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def send(app, number, key=None, **data):
    event = sample_event(id=f"e-{number}", content_id=f"tin-{number}", **data)
    answer = await app.door.post(event, key=key or app.live_key)
    assert answer.status_code == 202
    return answer.json()["event_id"]


async def test_events_come_newest_first_and_page_by_page(app):
    sent = [await send(app, number) for number in range(7)]
    seen, cursor, pages = [], "", 0
    while pages == 0 or cursor:
        page = await listed(app, f"?limit=3{cursor and f'&cursor={cursor}'}")
        seen += [one["event_id"] for one in page["events"]]
        cursor, pages = page["next"], pages + 1
    assert (seen, pages) == (sent[::-1], 3)
    first = (await listed(app))["events"][0]
    assert (first["content_id"], first["kind"]) == ("tin-6", "submitted")
    assert (first["state"], first["error"]) == ("received", None)


async def test_each_unit_sees_its_own_events_alone(app):
    await send(app, 1)
    other = await app.door.registry.add(OTHER, release="automatic")
    assert (await listed(app, key=other))["events"] == []
    event = sample_event(id="x", content_id="tin-x") | {"source": f"/units/{OTHER}"}
    assert (await app.door.post(event, key=other)).status_code == 202
    assert [one["content_id"] for one in (await listed(app, key=other))["events"]] == ["tin-x"]
    assert [one["content_id"] for one in (await listed(app))["events"]] == ["tin-1"]


async def test_a_key_for_trials_lists_trials_and_a_live_key_none(app):
    live = await send(app, 1)
    trials = [await send(app, number, key=app.door.key) for number in (2, 3)]
    refused = await app.send(sample_event("withdrawn", id="w", content_id="khong-co"))
    await app.arrived()
    assert [one["event_id"] for one in (await listed(app))["events"]] == [live]
    page = await listed(app, key=app.door.key)
    found = {one["event_id"]: one for one in page["events"]}
    assert found.keys() == {*trials, refused["event_id"]}
    assert {found[one]["state"] for one in trials} == {"released"}
    last = found[refused["event_id"]]
    assert (last["state"], last["error"]["field"]) == ("refused", "data.content_id")
    assert page["trial"] is True and sum(page["days"].values()) == 3
    one_by_one = await listed(app, "?limit=1", key=app.door.key)
    rest = await listed(app, f"?limit=2&cursor={one_by_one['next']}", key=app.door.key)
    got = [one["event_id"] for one in one_by_one["events"] + rest["events"]]
    assert (sorted(got), rest["next"]) == (sorted(found), None)


async def test_days_of_trials_are_known_without_reading_them(app, monkeypatch):
    for number in range(3):
        await send(app, number, key=app.door.key)
        app.clock.advance(86400 * (number == 1))
    monkeypatch.setattr(TrialStore, "newest", None)
    days = await app.pages.trials.days(UNIT)
    assert (len(days), list(days.values())[:3]) == (30, [1, 2, 0])


async def test_days_are_counted_on_the_first_page_alone(app):
    app.clock.now = time.time()  # days go by the server's clock, as the stream does
    for number in range(3):
        await send(app, number)
    await app.door.post(sample_event("updated", id="c-1"), key=app.live_key)
    page = await listed(app, "?limit=2")
    assert (len(page["days"]), sum(page["days"].values())) == (30, 4)
    assert (await listed(app, f"?cursor={page['next']}"))["days"] == {}
    assert page["quota"]["at_once"] == 200


async def test_a_state_leaves_out_all_others(app):
    await send(app, 1)
    assert [one["state"] for one in (await listed(app, "?state=received"))["events"]] == [
        "received"
    ]
    page = await listed(app, "?state=refused")
    assert (page["events"], page["next"]) == ([], None)


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("limit=0", "limit"), ("limit=101", "limit"), ("limit=x", "limit"),
        ("cursor=-1", "cursor"), ("cursor=a", "cursor"), (f"cursor={'9' * 20}", "cursor"),
        ("state=sent", "state"),
    ],
)  # fmt: skip
async def test_a_wrong_parameter_is_refused_by_name(app, query, field):
    answer = await app.door.get(f"/v1/events?{query}", key=app.live_key)
    assert answer.status_code == 422
    assert [one["field"] for one in answer.json()["errors"]] == [field]


async def test_a_page_ends_after_a_long_way_without_an_event_of_the_unit(app, bus, monkeypatch):
    mine = await send(app, 1)
    for number in range(9):
        await bus.publish(subjects.content(OTHER, "submitted"), b"{}", msg_id=f"x-{number}")
    monkeypatch.setattr(unit_events, "_MOST_PASSED", 4)
    page = await listed(app)
    assert page["events"] == [] and page["next"]
    seen = []
    while page["next"]:
        page = await listed(app, f"?cursor={page['next']}")
        seen += [one["event_id"] for one in page["events"]]
    assert seen == [mine]


async def test_without_a_key_nothing_is_listed(app):
    assert (await app.door.get("/v1/events", key="")).status_code == 401
    assert UNIT and await stored_events(app.bus) == []
