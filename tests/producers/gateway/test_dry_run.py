"""`/v1/dry-runs`: the answer of the door, what would follow, and nothing stored anywhere."""

import asyncio

import pytest

from consumers.intake.items import Item
from consumers.ledger.cursor import PlanCursor
from consumers.ledger.errors import LedgerError
from consumers.trials import dry_run
from consumers.trials.dry_run import ItemDryRuns
from contracts import subjects
from contracts.base.times import utc_now
from contracts.delivery import ChannelName, PlanKey
from contracts.subscriptions.reader_counts import READER_COUNTS_KEY, PreferenceCount, ReaderCounts
from tests.conftest import stream_states
from tests.support.gateway_client import BATCH, OTHER, UNIT, sample_event
from tests.support.signup_app import NOON
from tests.support.trials import TrialApp

TOPIC = "chuyen-doi-so"
BROKEN = {
    "no JSON": (b"{", 400),
    "an empty title": (sample_event(title=""), 422),
    "another unit's source": (sample_event() | {"source": f"/units/{OTHER}"}, 403),
    "the urgent lane": (sample_event(lane="urgent"), 403),
}


@pytest.fixture
async def app(bus, tmp_path):
    async with TrialApp.opened(bus, tmp_path, "an@moha.example", "binh@moha.example") as app:
        yield app


async def asked(app, event, key=None, **more):
    """The answer to a dry run; nothing is stored for it."""
    before = {name: state[2] for name, state in (await stream_states(app.bus)).items()}
    answer = await app.door.post(event, path="/v1/dry-runs", key=key, **more)
    after = {name: state[2] for name, state in (await stream_states(app.bus)).items()}
    assert after == before, "the last sequence of every stream and bucket"
    return answer


async def expected(app, event, **more):
    answer = await asked(app, event, key=app.live_key, **more)
    assert answer.status_code == 200, answer.text
    [found] = answer.json()["events"]
    return found


@pytest.mark.promise("16.3")
@pytest.mark.parametrize("body", BROKEN.values(), ids=BROKEN)
async def test_what_the_door_would_refuse_it_refuses_in_the_same_words(app, body):
    for key in (app.live_key, app.door.key):
        sent = await app.door.post(body[0], key=key)
        dry = await asked(app, body[0], key=key)
        assert dry.status_code == sent.status_code == body[1]
        assert dry.json()["errors"] == sent.json()["errors"]


@pytest.mark.promise("16.3")
async def test_a_good_event_has_an_outlook_on_every_channel(app):
    sets = (
        PreferenceCount(people=7),
        PreferenceCount(people=5, topics=(TOPIC,), frequency="daily"),
        PreferenceCount(people=3, topics=("viec-lam",)),
    )
    counts = ReaderCounts(at=utc_now(app.clock), sets=sets)
    control = app.bus.bucket(subjects.CONTROL.name)
    await control.put(READER_COUNTS_KEY, counts.model_dump_json().encode())
    found = await expected(app, sample_event(topic=TOPIC))
    assert (found["revision"], found["is_known"], found["refusals"]) == (1, False, [])
    assert (found["release"], found["lane"]) == ("automatic", "normal")
    mail = found["channels"]["email"]
    assert (mail["readers"], mail["immediate"], mail["daily"], mail["earlier"]) == (12, 7, 5, 0)
    assert found["channels"]["portal"] == {"pages": 1}
    assert found["channels"]["zalo"] == {"articles": 1, "broadcasts": 1, "followers": 0}
    assert list(found["previews"]) == ["portal.html", "mail.html", "mail.txt", "zalo.json"]
    assert all("THỬ NGHIỆM" in found["previews"][name] for name in ("portal.html", "mail.txt"))


async def test_without_counts_of_readers_their_number_is_not_known(app):
    found = await expected(app, sample_event())
    assert found["channels"]["email"]["readers"] is None


async def test_the_history_of_the_item_tells_what_intake_would_refuse(app):
    found = await expected(app, sample_event("withdrawn", content_id="khong-co"))
    assert [one["field"] for one in found["refusals"]] == ["data.content_id"]
    assert found["release"] is None and found["channels"] == {}
    corrected = sample_event("corrected", content_id="khong-co", revision=2, corrects_revision=1)
    found = await expected(app, corrected)
    assert [one["field"] for one in found["refusals"]] == ["data.content_id"]


async def test_a_unit_of_the_desk_and_a_bulletin_wait_for_a_person(app):
    await app.door.registry.update(UNIT, release="desk")
    assert (await expected(app, sample_event()))["release"] == "desk"


async def test_a_repeat_is_known_and_a_clash_is_refused(app):
    assert (await app.door.post(sample_event(), key=app.live_key)).status_code == 202
    found = await expected(app, sample_event())
    assert (found["is_known"], found["revision"]) == (True, 1)
    clash = await asked(app, sample_event(title="Khác"), key=app.live_key)
    assert clash.status_code == 409


async def test_a_dry_run_of_a_trial_counts_its_guests(app):
    answer = await asked(app, sample_event())
    assert answer.json()["trial"] is True
    [found] = answer.json()["events"]
    assert found["channels"] == {"email": {"guests": 2}}
    assert found["release"] == "automatic"


async def test_a_case_notice_is_checked_and_reaches_one_person(app):
    found = await expected(app, sample_event("updated", id="c-1"))
    [facts] = found["channels"].values()
    assert (facts, found["lane"], found["previews"]) == ({"people": 1}, "notice", {})


async def test_a_batch_has_an_outlook_for_each_and_no_previews(app):
    events = [sample_event(id=f"b-{n}", content_id=f"tin-{n}") for n in range(3)]
    answer = await asked(app, events, key=app.live_key, content_type=BATCH)
    assert [one["content_id"] for one in answer.json()["events"]] == ["tin-0", "tin-1", "tin-2"]
    assert {len(one["previews"]) for one in answer.json()["events"]} == {0}


async def test_the_quota_says_what_is_left_and_a_dry_run_counts(app):
    quotas = [(await asked(app, sample_event(), key=app.live_key)).json()["quota"] for _ in "ab"]
    assert [(one["per_minute"], one["at_once"]) for one in quotas] == [(600, 200)] * 2
    assert [one["left"] for one in quotas] == [199, 198]


@pytest.mark.parametrize("value", ["0", "true", "", "1&dry_run=0"])
async def test_any_other_value_is_refused_by_name(app, value):
    answer = await app.door.post(sample_event(), path=f"/v1/events?dry_run={value}")
    assert answer.status_code == 422
    assert [one["field"] for one in answer.json()["errors"]] == ["dry_run"]
    assert [one async for one in app.bus.scan(subjects.CONTENT.name)] == []


async def test_the_parameter_asks_the_same_as_the_path(app):
    asks = "/v1/dry-runs", "/v1/events?dry_run=1"
    answers = [(await app.door.post(sample_event(), path=path)).json() for path in asks]
    assert [one.pop("quota")["left"] for one in answers] == [199, 198]
    assert answers[0] == answers[1]
    assert answers[0]["events"][0]["previews"]


@pytest.mark.parametrize(
    ("path", "names"),
    {
        "/v1/events?dry-run=1": ["dry-run"],
        "/v1/events?DRY_RUN=1": ["DRY_RUN"],
        "/v1/events?dry_run=1&a=&b=2": ["a", "b"],
        "/v1/dry-runs?previews=0": ["previews"],
    }.items(),
)
async def test_an_unknown_parameter_is_refused_by_name(app, path, names):
    before = await stream_states(app.bus)
    answer = await app.door.post(sample_event(), path=path, key=app.live_key)
    assert answer.status_code == 422
    assert [one["field"] for one in answer.json()["errors"]] == names
    assert all("tham số" in one["message_vi"] for one in answer.json()["errors"])
    assert await stream_states(app.bus) == before


async def test_a_batch_reads_the_counts_of_readers_once(app, monkeypatch):
    read = []
    known_followers = dry_run.known_followers

    async def counted(bus):
        read.append(bus)
        return await known_followers(bus)

    monkeypatch.setattr(dry_run, "known_followers", counted)
    events = [sample_event(id=f"b-{n}", content_id=f"tin-{n}") for n in range(20)]
    assert (await asked(app, events, key=app.live_key, content_type=BATCH)).status_code == 200
    assert len(read) == 1


async def test_earlier_mails_are_those_of_the_newest_text(app):
    item = Item(unit=UNIT, revision=1, state="released", positions={1: "x"}, released={1: NOON})
    items = app.bus.bucket(subjects.PUBLISHED.name)
    await items.put("tin-thu", item.model_dump_json().encode())
    cursor = PlanCursor(removed=1.0, counts={"delivered": 2, "failed": 1})
    await app.ledger.create_plan(PlanKey(ChannelName.EMAIL, "tin-thu", 1), cursor)
    found = await expected(app, sample_event(content_id="tin-thu", revision=2, id="hai"))
    assert found["channels"]["email"]["earlier"] == 2


async def test_a_ledger_that_breaks_its_rules_is_503(app, monkeypatch):
    async def broken(_plan):
        raise LedgerError("a batch is missing")

    monkeypatch.setattr(app.outlooks.ledger, "plan", broken)
    answer = await asked(app, sample_event(), key=app.live_key)
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")


async def test_an_outlook_that_takes_too_long_is_503(app, monkeypatch):
    async def endless():
        await asyncio.Event().wait()

    monkeypatch.setattr("producers.acceptance.ANSWER_TIMEOUT_S", 1.0)
    monkeypatch.setattr(ItemDryRuns, "with_readers", lambda _: endless())
    answer = await asked(app, sample_event(), key=app.live_key)
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
