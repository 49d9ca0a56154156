"""Data kept too long goes, once, and nothing else; a killed pass is completed."""

from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest
import structlog

from consumers.app.settings import LoaSettings, load_retention
from consumers.app.wiring.retention import build_retention
from consumers.intake.draft_decisions import DraftDecisions
from consumers.key_file import KeyFile, register_key
from consumers.operations.errors import RetentionHeld
from consumers.operations.retention import Drafts, LastPass
from consumers.subscribers.store import SubscriberStore
from consumers.suppression.store import SuppressionStore
from contracts import subjects
from contracts.base import retention
from contracts.base.retention import DEFAULT, Retention
from contracts.base.times import utc_now
from contracts.delivery import ChannelName
from contracts.editorial import ActionKind
from contracts.editorial.action import RULE
from contracts.errors import Invalid
from contracts.subscriptions.subscriber import Consent, Subscriber
from producers.bus import topology
from tests.support.cli import json_output
from tests.support.crashing_bus import SimulatedCrash, crash_at, crashing_bus
from tests.support.events import ITEM, open_drafts, submitted
from tests.support.intake_harness import IntakeHarness
from tests.support.listed_items import step

KEYS = KeyFile(b"k" * 32)
EMAIL = ChannelName.EMAIL
DAY = timedelta(days=1)
OLD, YOUNG = "cu@example.com", "moi@example.com"


@pytest.fixture
def now(clock):
    return datetime.fromtimestamp(clock(), UTC)


@pytest.fixture
async def kept(bus, clock, now):
    """Of each kind one record that is too old, one that is not, and what never goes."""
    await register_key(bus, KEYS)
    store = SubscriberStore.from_key_file(bus, KEYS)
    for address, days in ((OLD, DEFAULT.former_readers + 400), (YOUNG, 1)):
        reader = Subscriber(id=address[:2] + "r", email=address)
        reader = reader.with_consent(Consent(version="1", at=now), "page")
        await store.upsert(address, lambda _, reader=reader: reader)
        await store.deactivate(reader.id, now - days * DAY, "mail")
    suppressed = SuppressionStore.from_key_file(bus, KEYS)
    long_ago = now - (DEFAULT.failed_addresses + 400) * DAY
    await suppressed.add(EMAIL, OLD, "bounced 5.1.1", None, at=long_ago)
    await suppressed.add(EMAIL, YOUNG, "bounced 5.1.1", None, at=now)
    await suppressed.add(EMAIL, "spam@example.com", "complaint", None, at=long_ago)
    await suppressed.count_soft_failure(EMAIL, "00" * 32, "mark", long_ago)
    return store


def service(bus, clock):
    return build_retention(DraftDecisions(bus, clock), KEYS, DEFAULT)


@pytest.fixture(autouse=True)
async def last_pass(bus, now):
    """The day before, Loa removed what was too old then."""
    await bus.bucket("control").put("retention", LastPass(at=now - DAY).model_dump_json().encode())


async def what_is_left(bus, store):
    suppressed = [key async for key, _ in bus.bucket(subjects.SUPPRESSED.name).values()]
    readers = [key async for key, _ in store.bucket.values()]
    keys = [key async for key, _ in bus.bucket(subjects.PERSON_KEYS.name).values()]
    return len(suppressed), sorted(key for key in readers if key.startswith("s.")), keys


async def test_what_is_too_old_goes_and_the_plan_says_so_before(bus, clock, kept):
    one = service(bus, clock)
    plan = {kind.kind: kind for kind in await one.plan()}
    assert set(plan) == set(Retention.model_fields)
    assert (plan["failed_addresses"].due, plan["former_readers"].due) == (2, 1)
    assert (plan["security_logs"].carried_out, plan["receipts"].carried_out) == ("kept", "expires")
    with structlog.testing.capture_logs() as logs:
        removed = await one.run_once()
    nothing = dict.fromkeys(
        ("drafts", "unused_accounts", "proposals", "ledger", "audit", "uploads"), 0
    )
    assert removed == {"failed_addresses": 2, "former_readers": 1} | nothing
    [line] = [entry for entry in logs if entry["event"] == "retention_carried_out"]
    assert line["former_readers"] == 1
    assert "example.com" not in str(logs)
    left = await what_is_left(bus, kept)
    assert left == (2, ["s.mor"], ["subscribers.s.mor"])
    assert await kept.find_by_address(OLD) is None
    assert sum((await one.run_once()).values()) == 0


async def test_a_clock_that_went_far_ahead_deletes_nothing_until_a_person_says_it_is_right(
    bus, clock, kept, now
):
    before = await what_is_left(bus, kept)
    clock.now = (now + 365 * DAY).timestamp()
    one = service(bus, clock)
    for _ in range(3):
        with pytest.raises(RetentionHeld) as held:
            await one.run_once()
    assert "366 days" in held.value.errors[0].message and "366 ngày" in str(held.value.errors)
    with structlog.testing.capture_logs() as logs:
        await one.run_unless_held()
    assert ("retention_held", 366) in [(line["event"], line.get("days")) for line in logs]
    assert await what_is_left(bus, kept) == before
    clock.now = now.timestamp()
    assert (await one.run_once())["former_readers"] == 1, "the right clock needs no word"
    clock.advance(365 * 86400)
    assert (await one.run_once(is_clock_right=True))["failed_addresses"] == 1
    clock.advance(86400)
    await one.run_once()


async def test_before_the_first_pass_the_clock_is_compared_with_what_is_stored(bus, clock, kept):
    await bus.bucket("control").put("retention", b"junk")
    stored = (await bus.stream_info("KV_subscribers"))["state"]["last_ts"]
    clock.now = (datetime.fromisoformat(stored) + 365 * DAY).timestamp()
    with pytest.raises(RetentionHeld):
        await service(bus, clock).run_once()
    clock.now = (datetime.fromisoformat(stored) + 30 * DAY).timestamp()
    await service(bus, clock).run_once()


async def test_a_draft_without_a_decision_is_rejected_and_leaves_the_desk(bus, clock):
    await register_key(bus, KEYS)
    news = IntakeHarness(bus, clock)
    await news.take_in(submitted(), release="desk")
    decisions = DraftDecisions(bus, clock)
    [draft] = await decisions.waiting_drafts()
    assert (await service(bus, clock).run_once())["drafts"] == 0
    clock.now = draft.at.timestamp() + (DEFAULT.drafts + 1) * 86400
    assert (await service(bus, clock).run_once(is_clock_right=True))["drafts"] == 1
    assert await open_drafts(bus) == []
    record = await decisions.repository.position(draft.content_id, draft.revision)
    assert (record.state, record.decision.code) == ("refused", "qua-thoi-han")
    assert record.decision.role == RULE
    _, acts = await decisions.log.history(draft.content_id)
    assert [(act.kind, act.by) for act in acts[1:]] == [("reject", "Loa"), ("settle", "loa")]


async def test_a_draft_that_somebody_worked_on_after_it_was_found_is_kept(bus, clock):
    news = IntakeHarness(bus, clock)
    await news.take_in(submitted(), release="desk")
    decisions = DraftDecisions(bus, clock)
    [due] = [one async for one in Drafts(decisions).due(utc_now(clock) + DAY)]
    await decisions.log.act(ITEM, step(ActionKind.CONFIRM, "nv-binh"))
    assert await due.remove() is False
    assert await open_drafts(bus) == [f"{ITEM}.1"]
    assert (await decisions.repository.position(ITEM, 1)).state == "waiting"


@pytest.mark.parametrize("point", ["editorial.stored", "desk.decided", "desk.settled"])
async def test_a_rejection_by_age_that_is_cut_short_is_finished_by_a_start(bus, clock, point):
    news = IntakeHarness(bus, clock)
    await news.take_in(submitted(), release="desk")
    [due] = [one async for one in Drafts(DraftDecisions(bus, clock)).due(utc_now(clock) + DAY)]
    with crash_at(point):
        await due.remove()
    restarted = DraftDecisions(bus, clock)
    await restarted.finish_interrupted()
    assert (await restarted.repository.position(ITEM, 1)).state == "refused"
    assert await restarted.log.open_items() == {}


@pytest.mark.parametrize("damaged", [f"{ITEM}.1", ITEM])
async def test_a_draft_with_a_damaged_record_stops_neither_the_pass_nor_loa(bus, clock, damaged):
    """A background task that fails ends the process, and would at each start."""
    await register_key(bus, KEYS)
    news = IntakeHarness(bus, clock)
    await news.take_in(submitted(), release="desk")
    await news.take_in(submitted("tin-khac"), release="desk")
    decisions = DraftDecisions(bus, clock)
    assert (await decisions.repository.bucket.get(damaged)) is not None
    await decisions.repository.bucket.put(damaged, b"{")
    clock.advance((DEFAULT.drafts + 1) * 86400)
    await service(bus, clock).run_once(is_clock_right=True)
    record = await decisions.repository.position("tin-khac", 1)
    assert record.state == "refused"


async def test_a_pass_that_is_killed_anywhere_is_completed_by_the_next(bus, clock, kept, now):
    deaths = 0
    for calls in range(1, 30):
        for after in (False, True):
            with suppress(SimulatedCrash):
                await service(crashing_bus(bus, calls, after=after), clock).run_once()
                deaths -= 1
            deaths += 1
    assert deaths > 5
    await service(bus, clock).run_once()
    suppressed, readers, keys = await what_is_left(bus, kept)
    assert (suppressed, readers) == (2, ["s.mor"])
    assert "subscribers.s.cur" not in keys, "and the note of a death is finished by the pages"


async def test_streams_forget_after_what_the_ministrys_file_says(bus, clock, tmp_path, kept):
    days = DEFAULT.model_dump() | {"receipts": 10, "letters": 45}
    text = "\n".join(f"{kind} = {number}" for kind, number in days.items())
    (tmp_path / "retention.toml").write_text(text)
    chosen = load_retention(LoaSettings(_env_file=None, data_dir=tmp_path))
    one = build_retention(DraftDecisions(bus, clock), KEYS, chosen)
    assert {p.kind: p.age_days for p in await one.plan() if p.age_days} == {
        "receipts": 30, "letters": 30,
    }  # fmt: skip
    await one.run_once()
    await topology.apply(bus)
    for stream, age in (("RECEIPTS", 10), ("KV_notices", 45), ("KV_sessions", 1)):
        assert topology.age_of((await bus.stream_info(stream))["config"]) == age * DAY


@pytest.mark.parametrize(
    ("line", "field"),
    [("receipts = 1", "receipts"), ("ledgers = 5", "ledgers"), ("ledger = 30", "ledger"),
     ('drafts = "x"', "drafts"), ("proposals = 2", "proposals")],
)  # fmt: skip
def test_a_wrong_entry_is_refused_by_name(line, field):
    name = line.partition(" ")[0]
    days = {kind: n for kind, n in DEFAULT.model_dump().items() if kind != name}
    text = "\n".join([*(f"{kind} = {n}" for kind, n in days.items()), line])
    with pytest.raises(Invalid) as refused:
        Retention.parse(text)
    assert field in [error.field for error in refused.value.errors]


def test_streams_take_their_ages_from_the_same_file():
    specs = {spec.name: spec.max_age for spec in subjects.STREAMS}
    specs |= {f"KV_{spec.name}": spec.ttl for spec in subjects.BUCKETS}
    assert {name: specs[name] for name in retention.AGED_STREAMS} == DEFAULT.stream_ages()


async def test_an_operator_sees_and_carries_out_the_plan(bus, kept, loa, tmp_path):
    (tmp_path / "vault.key").write_text(KEYS.secret.hex())
    last = LastPass(at=datetime.now(UTC) - 40 * DAY)
    await bus.bucket("control").put("retention", last.model_dump_json().encode())
    assert "40 days" in (await loa("retention", "plan")).stdout
    held = await loa("retention", "run", "--yes")
    assert (held.exit_code, "--clock-is-right" in held.stderr) == (2, True)
    plan = json_output(await loa("retention", "plan", "--json"))
    due = {kind["kind"]: kind["due"] for kind in plan["kinds"]}
    assert due["former_readers"] == 1
    assert "former_readers" in (await loa("retention", "plan")).stdout
    confirmed = await loa("retention", "run", "--yes", "--clock-is-right", "--json")
    assert json_output(confirmed)["former_readers"] == 1


async def test_a_stream_that_an_earlier_version_does_not_have_is_planned_for(bus, clock):
    await topology.delete_stream(bus, subjects.STATUS.name)
    one = build_retention(DraftDecisions(bus, clock), KEYS, DEFAULT)
    [plan] = [plan for plan in await one.plan() if plan.kind == "callbacks"]
    assert (plan.carried_out, plan.days, plan.oldest) == ("expires", DEFAULT.callbacks, None)
