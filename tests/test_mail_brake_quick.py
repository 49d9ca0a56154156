"""A fast relay that refuses too many is noticed while it does, by the worker itself."""

import asyncio
from contextlib import suppress
from dataclasses import replace

import pytest
import structlog

from channels.base import Outcome, Verdict
from channels.email import replies, verdicts
from channels.email.replies import Stage
from consumers.ledger.entry import Note, planned
from consumers.ledger.store import LedgerError
from consumers.mail import brake, brakes, story
from consumers.mail.sending import Sending
from consumers.mail.tally import PLANS_MAX, SUSPECT_MIN, Tally
from consumers.register import Register
from consumers.settle import Later
from consumers.trace import Trace
from contracts.delivery import ChannelName, Lane, PlanKey, Status
from tests.fakes import OK
from tests.mail_back import MailBack, refused

READERS, EVERY = 4201, 8
PLAN = PlanKey(ChannelName.EMAIL, "tin", 1)


@pytest.fixture
def house(bus, tmp_path):
    loa = MailBack(bus, tmp_path, READERS, connections=8)
    gone = loa.readers.ids[::EVERY]
    loa.answers = dict.fromkeys(gone, refused("5.1.1")) | {gone[0]: refused("5.2.2")}
    return loa


async def send_at_once(loa: MailBack, plan: PlanKey) -> None:
    """All batches, on all connections; what was stopped comes again later."""

    async def one(number: int) -> None:
        with suppress(Later):
            await loa.work(plan, number)

    count = (await loa.ledger.plan(plan)).value.count
    await asyncio.gather(*map(one, range(count)))


async def test_a_rotten_list_is_stopped_a_window_after_its_thousandth_mail(house):
    plan = await house.plan()
    with structlog.testing.capture_logs() as logs:
        await send_at_once(house, plan)
    counts = await house.counts(plan)
    left = counts[Status.DELIVERED] + counts[Status.FAILED]
    assert brake.MAILS_MIN <= left <= brake.MAILS_MIN + 9 * house.provider.window
    assert counts[Status.PENDING] == READERS - left
    [told] = [one for one in logs if one["event"] == "bounces_stopped"]
    assert (told["percent"], told["log_level"]) == (13, "error")
    await it_is_told_and_goes_on_when_a_person_says_so(house, plan)


async def it_is_told_and_goes_on_when_a_person_says_so(loa: MailBack, plan: PlanKey) -> None:
    async def stand() -> brakes.Brakes:
        return await brakes.standing(loa.bus)

    trace = Trace(Register(loa.bus), loa.ledger, loa.clock, brakes=stand)
    _, past = await trace.channel(plan, (await loa.ledger.plan(plan)).value)
    [stop] = [one.detail for one in past if one.event == "stopped"]
    one = (await stand()).plans[str(plan)]
    assert f"stopped by the bounce brake, {one.failed} of {one.mails} refused" in stop
    assert f"{one.failed - 1} x 5.1.1 (no such mailbox), 1 x 5.2.2 (mailbox full)" in stop
    assert f"`loa mail brakes release {plan.content_id} --by NAME`" in stop
    loa.clock.now += 60
    assert await brakes.release(loa.bus, plan, "Trần Thị Bình", loa.clock())
    await loa.sending.look()
    await send_at_once(loa, plan)
    assert set(await loa.counts(plan)) == {Status.DELIVERED, Status.FAILED}, "not stopped again"
    _, past = await trace.channel(plan, (await loa.ledger.plan(plan)).value)
    assert [one.event for one in past][-2:] == ["stopped", "goes_on"]
    assert (past[-1].at - past[-2].at).total_seconds() >= 60, "the decision has its own time"
    await loa.heard()
    _, past = await trace.channel(plan, (await loa.ledger.plan(plan)).value)
    [said] = [one.detail for one in past if one.event == "refused_at_once"]
    assert said == "526 refused at once: 525 x 5.1.1 (no such mailbox), 1 x 5.2.2 (mailbox full)"


def test_what_says_nothing_of_a_reader_is_not_counted_against_a_list():
    said = [
        OK,
        refused("5.7.1", Verdict.HELD),
        refused("5.3.4"),
        refused("4.2.1", Verdict.DEFERRED),
    ]
    unasked = Outcome(Verdict.FAILED, "unsafe", asked=False)
    tally = Tally()
    for _ in range(1000):
        assert tally.add(PLAN, [*said, unasked], 0.0).suspicion(0.0) is None
    assert (tally.plans[PLAN].mails, tally.plans[PLAN].codes.total()) == (2000, 0)


def test_a_worker_remembers_the_publications_of_last_alone():
    tally = Tally()
    for number in range(PLANS_MAX + 5):
        tally.add(PLAN._replace(revision=number), [OK], 0.0)
    assert len(tally.plans) == PLANS_MAX
    assert PLAN._replace(revision=4) not in tally.plans


@pytest.mark.parametrize(
    ("state", "by", "events"),
    [
        ("warned", "", ["warned"]),
        ("stopped", "", ["stopped"]),
        ("released", "Trần Thị Bình", ["stopped", "goes_on"]),
    ],
)
def test_what_the_brake_did_is_told_with_its_codes(state, by, events):
    facts = {"at": 0.0, "mails": 1000, "failed": 120, "by": by}
    one = brakes.Brake(state=state, codes={"5.1.1": 100, "5.2.2": 20}, **facts)
    told = list(story.braked("tin", one))
    assert [moment.event for moment in told] == events
    share = "120 of 1000 refused or come back (12 %): 100 x 5.1.1 (no such mailbox)"
    assert share in told[0].detail
    assert ("`loa withdraw tin" in told[0].detail) == (state == "stopped")
    [digest, *_] = story.braked("digest-daily-2026-11-26", one)
    assert "loa withdraw" not in digest.detail, "the register knows no such item"
    assert ("`loa mail brakes release digest-" in digest.detail) == (state == "stopped")
    assert by in told[-1].detail
    assert list(story.braked("tin", None)) == []


def test_a_verdict_of_a_version_without_codes_is_told_without_them():
    old = brakes.Brake.model_validate({"state": "warned", "at": 0, "mails": 1000, "failed": 60})
    [told] = story.braked("tin", old)
    assert told.detail == "by the bounce brake, 60 of 1000 refused or come back (6 %)"


async def test_workers_that_have_each_seen_too_few_count_together(house):
    plan = await house.plan()
    other = Sending(house.bus, house.worker.gate, house.clock)
    await house.work(plan, 0)
    house.worker.conduct = other
    await house.work(plan, 1)
    for sending in (house.sending, other):
        assert [one.mails for one in sending.tally.plans.values()] == [500]
        assert not sending.stops(plan)
    await house.sending.look()
    await other.look()
    assert house.sending.stops(plan) and other.stops(plan)
    one = (await brakes.standing(house.bus)).plans[str(plan)]
    assert (one.mails, one.failed, one.codes) == (1000, 125, {"5.1.1": 124, "5.2.2": 1})
    assert await brakes.release(house.bus, plan, "Trần Thị Bình")
    await other.look()
    assert not other.stops(plan) and not other.suspects(), "a person has decided"


async def test_a_small_or_good_publication_is_not_counted_over_and_over(house, monkeypatch):
    async def counted(*_):
        raise AssertionError("nothing is suspect")

    plan = await house.plan()
    monkeypatch.setattr(brake, "counted", counted)
    house.answers = dict.fromkeys(house.readers.ids[:49], refused("5.1.1"))
    await house.work(plan, 0)
    await house.sending.look()
    assert house.sending.tally.plans[plan].mails == 500


def test_only_what_was_sent_within_seconds_is_suspect():
    tally = Tally()
    tally.add(PLAN, [refused("5.1.1")] * SUSPECT_MIN, 100.0)
    assert list(tally.suspects(109.0)) == [PLAN]
    assert list(tally.suspects(111.0)) == [], "it does not go on, so nothing is lost by waiting"


async def test_a_ledger_that_cannot_be_counted_changes_nothing(house, monkeypatch):
    async def counted(*_):
        raise LedgerError("state.email.tin.1.0 is missing")

    plan = await house.plan()
    await house.work(plan, 0)
    monkeypatch.setattr(brake, "counted", counted)
    with structlog.testing.capture_logs() as logs:
        await house.sending.look()
    assert [one["event"] for one in logs] == ["bus_trouble"]
    assert not house.sending.stops(plan)


def test_what_the_ledger_calls_failed_counts_only_where_the_recipient_is_the_cause():
    reasons = ["550 5.1.1", "552 mailbox full", "550", "552 5.3.4", "unsafe To", "451 4.2.1"]
    notes = {row: Note(reason=one) for row, one in enumerate([*reasons, "550 5.1.1"])}
    entry = replace(planned(len(notes), Lane.BULK, 0.0), rows=b"xxxxxxr", notes=notes)
    assert brake.refusals(entry) == {"5.1.1": 1, "5.2.2": 1, "5.0.0": 1}


def test_the_ledger_and_a_worker_read_a_refusal_alike():
    rows, said = b"xxXxX", []
    for text in (b"550 5.5.1 no such user", b"550 no such user", b"552 quota", b"550 5.4.4 no"):
        said.append(verdicts.judge(replies.refused(Stage.RCPT, text)))
    over = Note(1, due=9.0, reason="550 5.1.1")  # the sender was refused, until its time was over
    notes = {row: Note(reason=one.reason) for row, one in enumerate(said)} | {4: over}
    entry = replace(planned(5, Lane.BULK, 0.0), rows=rows, notes=notes)
    assert brake.refusals(entry) == {"5.1.0": 2, "5.2.2": 1}
    assert Tally().add(PLAN, said, 0.0).codes == brake.refusals(entry)
