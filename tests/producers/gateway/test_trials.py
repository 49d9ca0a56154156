"""Keys for trials at the HTTP door: the same rules and answers, and nothing in common otherwise."""

import json

import pytest

from contracts import subjects
from contracts.trials import records
from contracts.vocabulary import DEFAULT
from producers.gateway import access
from producers.units.registry import UnitRegistry
from tests.support.gateway_client import BATCH, OTHER, UNIT, open_gateway, sample_event
from tests.support.trials import TrialApp

GUEST = "an@moha.example"
CASE = "vn.gov.moha.case.updated.v1"
BROKEN = {
    "no JSON": b"{",
    "no event": b"{}",
    "a missing field": {**sample_event(), "data": {"content_id": "tin"}},
    "an unknown field": sample_event(titel="x"),
    "a misread title": sample_event(title="Thông báo".encode().decode("cp1252")),
    "another unit's source": sample_event() | {"source": f"/units/{OTHER}"},
    "the urgent lane": sample_event(lane="urgent"),
    "what is over": sample_event(expires_at="2020-01-01T00:00:00Z"),
    "an unknown type": sample_event() | {"type": "vn.gov.moha.tin.moi.v1"},
}


@pytest.fixture
async def app(bus, tmp_path):
    async with TrialApp.opened(bus, tmp_path, GUEST) as app:
        yield app


async def bodies(app, body, **more):
    """The answers to one body with a live key and with one for trials: status and errors."""
    answers = [await app.door.post(body, key=key, **more) for key in (app.live_key, app.door.key)]
    return [(one.status_code, one.json()["errors"]) for one in answers]


@pytest.mark.parametrize("body", BROKEN.values(), ids=BROKEN)
async def test_a_trial_is_refused_as_the_event_in_earnest_would_be(app, body):
    live, trial = await bodies(app, body)
    assert live == trial
    assert live[0] in (400, 403, 422)


async def test_every_answer_to_a_key_for_trials_says_so(app):
    accepted = await app.door.post(sample_event())
    refused = await app.door.post(sample_event(title=""))
    status = await app.door.get(accepted.json()["status_url"])
    for answer in (accepted, refused, status):
        assert answer.json()["trial"] is True
        assert answer.headers["x-loa-trial"] == "1"
    live = await app.door.post(sample_event(), key=app.live_key)
    assert "trial" not in live.json() and "x-loa-trial" not in live.headers


async def test_a_batch_of_trials_is_taken_whole_or_not_at_all(app):
    events = [sample_event(id=f"b-{n}", content_id=f"tin-{n}") for n in range(3)]
    refused = await app.door.post([*events, sample_event(id="b-9", title="")], BATCH)
    assert refused.status_code == 422
    assert [one["field"] for one in refused.json()["errors"]] == ["[3].data.title"]
    assert await app.arrived() == []
    taken = await app.send(events, content_type=BATCH)
    assert [one["trial"] for one in taken["events"]] == [True] * 3
    assert len(await app.arrived()) == 3


async def test_an_id_is_used_for_one_content_in_trials_and_another_in_earnest(app):
    await app.send(sample_event())
    clash = await app.door.post(sample_event(title="Khác"))
    assert (clash.status_code, clash.json()["errors"][0]["field"]) == (409, "id")
    live = await app.door.post(sample_event(title="Khác"), key=app.live_key)
    assert live.status_code == 202


async def test_an_item_of_a_trial_is_free_for_everyone_else(app):
    await app.send(sample_event(content_id="tin-chung"))
    other = await app.door.registry.add(OTHER, release="automatic")
    event = sample_event(content_id="tin-chung") | {"source": f"/units/{OTHER}"}
    assert (await app.door.post(event, key=other)).status_code == 202
    trial_of_other = await app.door.registry.renew_trial_key(OTHER)
    assert (await app.door.post(event, key=trial_of_other)).status_code == 202


async def test_neither_kind_of_key_sees_what_the_other_sent(app):
    trial = await app.send(sample_event())
    live = (await app.door.post(sample_event(id="e-2"), key=app.live_key)).json()
    await app.arrived()
    other = await app.door.registry.renew_trial_key(await _registered(app))
    for path, key in (
        (trial["status_url"], app.live_key),
        (trial["status_url"], other),
        (live["status_url"], app.door.key),
        (f"/v1/trials/{trial['event_id']}/portal.html", app.live_key),
        (f"/v1/trials/{trial['event_id']}/portal.html", other),
        (f"/v1/trials/{live['event_id']}/portal.html", app.door.key),
    ):
        assert (await app.door.get(path, key=key)).status_code == 404, path
    nameless = await app.door.get(f"/v1/trials/{trial['event_id']}/portal.html", key="")
    assert nameless.status_code == 401


async def _registered(app):
    await app.door.registry.add(OTHER, release="automatic")
    return OTHER


@pytest.mark.promise("16.2")
async def test_a_key_for_trials_is_no_live_key_and_the_other_way_round(app, bus, clock):
    registry = app.door.registry
    spelt = app.door.key.replace("loatrial_", "loa_")
    assert (await app.door.post(sample_event(), key=spelt)).status_code == 401
    swapped = app.live_key.replace("loa_", "loatrial_")
    assert (await app.door.post(sample_event(), key=swapped)).status_code == 401
    kept = (await bus.bucket(subjects.UNITS.name).get(UNIT)).data.decode()
    assert "trial" not in kept, "an earlier version reads this record alone"
    await registry.revoke_trial_keys(UNIT)
    assert (await app.door.post(sample_event())).status_code == 401
    assert (await app.door.post(sample_event(), key=app.live_key)).status_code == 202


async def test_a_case_notice_is_refused_by_name_because_it_names_a_person(app, bus):
    before = await app.untouched()
    refused = await app.door.post(sample_event("updated", id="c-1"))
    assert refused.status_code == 422
    assert [one["field"] for one in refused.json()["errors"]] == ["type"]
    assert await app.untouched() == before


async def test_trials_have_a_quota_of_their_own(app):
    for number in range(access.BURST):
        app.door.check_against_schema = lambda *_: None  # 200 times the same
        event = sample_event(id=f"q-{number}", title="")
        assert (await app.door.post(event)).status_code == 422
    limited = await app.door.post(sample_event())
    assert limited.status_code == 429 and int(limited.headers["retry-after"]) >= 1
    assert (await app.door.post(sample_event(), key=app.live_key)).status_code == 202


async def test_a_unit_sends_so_many_trials_a_day_whichever_gateway_takes_them(app, monkeypatch):
    monkeypatch.setattr(records, "DAILY_TRIALS", 3)
    events = [sample_event(id=f"n-{n}", content_id=f"tin-{n}") for n in range(5)]
    await app.send(events[:2], content_type=BATCH)
    refused = await app.door.post(events[2:4], BATCH)
    assert (refused.status_code, refused.headers["retry-after"]) == (429, "3600")
    assert [one["field"] for one in refused.json()["errors"]] == ["event"]
    async with open_gateway(app.bus, app.clock) as other:
        sent = [(await other.post(one, key=app.door.key)).status_code for one in events[2:4]]
        assert sent == [202, 429]
        assert (await other.post(events[0], key=app.door.key)).status_code == 202, "a repeat"
        app.clock.advance(86400)
        assert (await other.post(events[4], key=app.door.key)).status_code == 202


async def test_a_unit_keeps_its_share_of_the_bucket_until_trials_are_forgotten(app, monkeypatch):
    monkeypatch.setattr(records, "MOST_BYTES", 3000)
    await app.send(sample_event(body="x" * 1500))
    large = sample_event(id="hai", content_id="hai", body="x" * 1500)
    assert (await app.door.post(large)).status_code == 429
    app.clock.advance(31 * 86400)
    assert (await app.door.post(large)).status_code == 202


async def test_the_faces_are_those_of_the_channels_each_marked(app):
    title = "Hướng dẫn nộp hồ sơ trực tuyến"
    trial = await app.send(sample_event(title=title))
    assert "previews" not in await app.status(trial)
    await app.arrived()
    previews = (await app.status(trial))["previews"]
    shown = {name: await app.door.get(path) for name, path in previews.items()}
    assert list(shown) == ["portal.html", "mail.html", "mail.txt", "zalo.json"]
    for name, answer in shown.items():
        assert answer.status_code == 200, name
        assert title in answer.text, name
        assert answer.headers["x-loa-trial"] == "1"
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy and "; sandbox" in policy, name
        assert "script-src" not in policy
    for name in ("portal.html", "mail.html", "mail.txt"):
        assert "THỬ NGHIỆM" in shown[name].text, name
    assert f"<title>THỬ NGHIỆM: {title}" in shown["portal.html"].text
    assert json.loads(shown["zalo.json"].text)["trial"] is True
    assert (await app.door.get(f"/v1/trials/{trial['event_id']}/khac.html")).status_code == 404


async def test_a_face_that_is_not_there_yet_is_told_from_one_that_never_is(app):
    trial = await app.send(sample_event())
    path = f"/v1/trials/{trial['event_id']}/portal.html"
    early = await app.door.get(path)
    assert (early.status_code, early.headers["retry-after"]) == (404, "1")
    assert [one["field"] for one in early.json()["errors"]] == ["face"]
    await app.arrived()
    assert (await app.door.get(path)).status_code == 200
    refused = await app.send(sample_event("corrected", id="c-9", content_id="tin-la"))
    await app.arrived()
    for never in (f"/v1/trials/{refused['event_id']}/mail.txt", f"{path}x"):
        answer = await app.door.get(never)
        assert answer.status_code == 404 and "retry-after" not in answer.headers, never
        assert [one["field"] for one in answer.json()["errors"]] == ["face"]


async def test_the_registry_of_an_earlier_version_reads_every_record_of_its_bucket(app, bus, clock):
    registry = UnitRegistry(bus, DEFAULT, clock)
    assert [one.unit for one in await registry.registered_units()] == [UNIT]
