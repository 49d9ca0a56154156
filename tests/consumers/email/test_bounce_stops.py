"""Bounce stops: a worker notices by itself when a fast relay refuses too many recipients."""

from dataclasses import replace

import pytest

from channels.base import Outcome, Verdict
from channels.email.smtp import mail_result, outcomes
from channels.email.smtp.mail_result import Stage
from consumers.email import bounce_monitor, bounce_stops
from consumers.email import trace as email_trace
from consumers.email.bounce_sample import MAX_PLANS, MIN_SUSPECT_MAILS, BounceSample
from consumers.email.policy import EmailSendPolicy
from consumers.ledger.entry import RowNote, planned_entry
from contracts.delivery import ChannelName, Lane, PlanKey
from tests.support.bounce_pipeline import refusal
from tests.support.scripted_channel import OK

PLAN = PlanKey(ChannelName.EMAIL, "tin", 1)


def test_what_says_nothing_of_a_reader_is_not_counted_against_a_list():
    ours, later = refusal("5.7.1", Verdict.HELD), refusal("4.2.1", Verdict.DEFERRED)
    unasked = Outcome(Verdict.FAILED, "unsafe", reached_provider=False)
    said = [OK, ours, refusal("5.3.4"), later, unasked]
    tally = BounceSample()
    for _ in range(1000):
        assert tally.add_window(PLAN, said, 0.0).suspected_stop(0.0) is None
    assert (tally.plans[PLAN].mails, tally.plans[PLAN].codes.total()) == (2000, 0)


def test_a_worker_remembers_the_publications_of_last_alone():
    tally = BounceSample()
    for number in range(MAX_PLANS + 5):
        tally.add_window(PLAN._replace(revision=number), [OK], 0.0)
    assert len(tally.plans) == MAX_PLANS
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
    one = bounce_stops.BounceStop(state=state, codes={"5.1.1": 100, "5.2.2": 20}, **facts)
    told = list(email_trace.stop_entries("tin", one))
    assert [moment.event for moment in told] == events
    share = "120 of 1000 refused or come back (12 %): 100 x 5.1.1 (no such mailbox)"
    assert share in told[0].detail
    assert ("`loa withdraw tin" in told[0].detail) == (state == "stopped")
    [digest, *_] = email_trace.stop_entries("digest-daily-2026-11-26", one)
    assert "loa withdraw" not in digest.detail, "the register knows no such item"
    assert ("`loa mail brakes release digest-" in digest.detail) == (state == "stopped")
    assert by in told[-1].detail
    assert list(email_trace.stop_entries("tin", None)) == []


def test_a_verdict_of_a_version_without_codes_is_told_without_them():
    old = bounce_stops.BounceStop.model_validate(
        {"state": "warned", "at": 0, "mails": 1000, "failed": 60}
    )
    [told] = email_trace.stop_entries("tin", old)
    assert told.detail == "by the bounce brake, 60 of 1000 refused or come back (6 %)"


async def test_workers_that_have_each_seen_too_few_count_together(bounce_pipeline):
    plan = await bounce_pipeline.plan()
    semaphore = bounce_pipeline.worker.semaphore
    other = EmailSendPolicy(bounce_pipeline.bus, semaphore, bounce_pipeline.clock)
    await bounce_pipeline.work(plan, 0)
    bounce_pipeline.worker.policy = other
    await bounce_pipeline.work(plan, 1)
    for sending in (bounce_pipeline.sending, other):
        assert [one.mails for one in sending.sample.plans.values()] == [500]
        assert not sending.is_stopped(plan)
    await bounce_pipeline.sending.refresh()
    await other.refresh()
    assert bounce_pipeline.sending.is_stopped(plan) and other.is_stopped(plan)
    one = (await bounce_stops.load_stops(bounce_pipeline.bus)).plans[str(plan)]
    assert (one.mails, one.failed, one.codes) == (1000, 125, {"5.1.1": 124, "5.2.2": 1})
    assert await bounce_stops.release_stop(bounce_pipeline.bus, plan, "Trần Thị Bình")
    await other.refresh()
    assert not other.is_stopped(plan) and not other.suspected_plans(), "a person has decided"


def test_only_what_was_sent_within_seconds_is_suspect():
    tally = BounceSample()
    tally.add_window(PLAN, [refusal("5.1.1")] * MIN_SUSPECT_MAILS, 100.0)
    assert list(tally.suspected_plans(109.0)) == [PLAN]
    assert list(tally.suspected_plans(111.0)) == [], "it does not go on: waiting loses nothing"


def test_the_ledger_and_a_worker_read_a_refusal_alike():
    rows, said = b"xxXxXxr", []
    for text in (b"550 5.5.1 no such user", b"550 no such user", b"552 quota", b"550 5.4.4 no"):
        said.append(outcomes.outcome_of(mail_result.parse_refusal(Stage.RCPT, text)))
    notes = {row: RowNote(reason=one.reason) for row, one in enumerate(said)}
    notes[4] = RowNote(1, due=9.0, reason="550 5.1.1")  # refused until the item expired
    notes |= {5: RowNote(reason="unsafe To"), 6: RowNote(reason="550 5.1.1")}  # the last waits
    entry = replace(planned_entry(7, Lane.BULK, 0.0), rows=rows, notes=notes)
    assert bounce_monitor.refusal_codes(entry) == {"5.1.0": 2, "5.2.2": 1}
    assert BounceSample().add_window(PLAN, said, 0.0).codes == bounce_monitor.refusal_codes(entry)
