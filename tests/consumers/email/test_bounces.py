"""Bounces: each has the effects of the table, once, and for the right address."""

from collections import Counter
from contextlib import suppress
from itertools import count

import pytest
import structlog

from channels.base import Outcome, Verdict
from consumers.email.receipts import RelayRefusal
from consumers.ledger.entry import RowNote
from consumers.runtime.errors import RetryLater
from contracts import keys, subjects
from contracts.delivery import BatchKey, Status
from contracts.subscriptions.subscriber import Subscriber
from producers.bus import BusError, NoReply
from tests.support.bounce_pipeline import refusal
from tests.support.metric_values import metric
from tests.support.scripted_channel import reader_ids

AN, BA = reader_ids(2)
ALARMS = {"error", "warning"}
FOLLOWS = {
    "5.1.1": "suppressed",
    "5.1.2": "suppressed",
    "5.1.10": "suppressed",
    "5.2.1": "suppressed",
    "5.2.2": None,
    "5.2.3": "mail_content_refused",
    "5.3.4": "mail_content_refused",
    "5.4.4": "mail_misrouted",
    "5.5.1": "mail_misrouted",
    "5.6.7": "mail_content_refused",
    "5.7.1": "mail_refused_by_policy",
    "5.7.26": "mail_refused_by_policy",
    "4.7.1": None,
    "4.4.1": None,
    "5.9.9": None,
    "": None,
}
"""Consequence of a bounce: an address that is left alone, an alarm, or nothing yet."""


def reports(kind: str, meaning: str = "none") -> float:
    return metric("loa_mail_reports_total", kind=kind, meaning=meaning)


async def test_what_follows_from_a_bounce_follows_once_for_its_reader_alone(new_bounce_pipeline):
    loa = await new_bounce_pipeline(len(FOLLOWS) + 1)
    plan, counted = await loa.deliver(), reports("bounce", "gone")
    for reader, (code, follows) in zip(loa.readers.ids, FOLLOWS.items(), strict=False):
        with structlog.testing.capture_logs() as logs:
            await loa.bounce(reader, code)
            await loa.bounce(reader, code)
        left_alone = await loa.suppression_reason(reader)
        assert left_alone == (f"bounced {code}" if follows == "suppressed" else None), code
        alarms = {one["event"] for one in logs if one["log_level"] in ALARMS}
        assert alarms == {follows} - {None, "suppressed"}, code
    assert reports("bounce", "gone") - counted == 4, "a row counts once"
    assert await loa.suppression_reason(loa.readers.ids[-1]) is None
    total = await loa.books.totals(plan)
    once = Counter(code or "5.0.0" for code in FOLLOWS)
    assert (total.bounced, total.codes) == (len(FOLLOWS), once), "a row counts once"
    relay_had_them = {Status.DELIVERED: len(FOLLOWS) + 1}
    assert await loa.status_counts(plan) == relay_had_them, "and that stays true"


async def test_a_full_mailbox_is_left_alone_after_three_times_in_fourteen_days(new_bounce_pipeline):
    loa = await new_bounce_pipeline()
    for days, suppressed in ((0, False), (10, False), (5, False), (1, True)):
        loa.clock.advance(days * 86400)
        await loa.deliver(content_id=f"tin-{loa.clock():.0f}")
        for _ in range(3):
            await loa.bounce(AN, "5.2.2")
        assert (await loa.suppression_reason(AN) is not None) == suppressed, (
            "the first one lies 15 days back"
        )


async def test_what_was_guessed_from_words_is_never_more_than_a_soft_failure(new_bounce_pipeline):
    loa = await new_bounce_pipeline()
    await loa.deliver()
    await loa.bounce(AN, "5.1.1", guessed=True)
    assert await loa.suppression_reason(AN) is None


async def test_who_complains_is_left_alone_until_a_person_says_otherwise(new_bounce_pipeline):
    loa = await new_bounce_pipeline()
    plan, counted = await loa.deliver(), reports("complaint")
    for _ in range(2):
        await loa.bounce(AN, "", "complaint")
    assert reports("complaint") - counted == 1, "a row counts once"
    await loa.bounce(AN, "5.1.1")
    assert await loa.suppression_reason(AN) == "complaint", "what ends replaces nothing without"
    total = await loa.books.totals(plan)
    assert (total.complained, total.bounced) == (1, 1)


async def test_a_delay_only_slows_down_who_is_too_fast(new_bounce_pipeline):
    loa = await new_bounce_pipeline(3)
    plan = await loa.deliver()
    for reader in loa.readers.ids:
        await loa.bounce(reader, "4.4.1", "delay")
    for reader in (AN, BA, AN, BA, AN):
        await loa.bounce(reader, "4.7.0", "delay")
    assert await loa.bus.bucket("control").get("pace.email") is None, "anybody could say it"
    await loa.bounce(loa.readers.ids[2], "4.7.0", "delay")
    assert await loa.bus.bucket("control").get("pace.email")
    assert (await loa.books.totals(plan)).bounced == 0


async def test_a_report_about_another_address_suppresses_nobody(new_bounce_pipeline):
    loa = await new_bounce_pipeline()
    plan = await loa.deliver()
    changed = Subscriber(id=AN, email="moi@example.com")
    await loa.bus.bucket("subscribers").put(f"s.{AN}", changed.model_dump_json().encode())
    with structlog.testing.capture_logs() as logs:
        await loa.bounce(AN, "5.1.1")
        await loa.bounce(AN, "", "complaint")
    assert [one["event"] for one in logs].count("bounce_of_other_address") == 2
    assert await loa.suppression_reason(AN) is None
    assert await loa.suppressions.reason(plan.channel, "moi@example.com") is None
    assert (await loa.books.totals(plan)).bounced == 1


async def test_a_reader_who_has_left_is_nobody_to_suppress(new_bounce_pipeline):
    loa = await new_bounce_pipeline()
    plan = await loa.deliver()
    await loa.bus.bucket("subscribers").purge(f"s.{AN}")
    await loa.bounce(AN, "5.1.1")
    assert (await loa.books.totals(plan)).bounced == 1


@pytest.mark.parametrize("place", ["p999.0.0", "p1.9.0", "p1.0.77", "n1.0.0", "n999.0.0"])
async def test_a_place_that_is_none_is_named_in_the_log(new_bounce_pipeline, place):
    loa = await new_bounce_pipeline()
    await loa.deliver()
    with structlog.testing.capture_logs() as logs:
        await loa.bounce(AN, place=place)
    assert [one["event"] for one in logs] == ["receipt_unmatched"]


async def test_without_a_place_the_message_id_leads_to_the_row(new_bounce_pipeline):
    loa = await new_bounce_pipeline(3)
    plan = await loa.deliver()
    mine = keys.delivery_key(plan.content_id, plan.revision, plan.channel, BA)
    known = {"place": "", "publication": f"{plan.content_id}.{plan.revision}"}
    for wrong in ("", "a" * 32):
        await loa.bounce(BA, "5.1.1", **known, message_id=wrong)
    await loa.bounce(BA, "5.1.1", **{**known, "publication": "x"}, message_id=mine[:32])
    assert (await loa.books.totals(plan)).bounced == 0
    await loa.bounce(BA, "5.1.1", **known, message_id=mine[:32])
    assert await loa.suppression_reason(BA) == "bounced 5.1.1"
    assert [back.bounced async for _, back in loa.books.batches(f"{plan}.")] == [{1: "5.1.1"}]


async def test_what_came_back_of_a_doubt_proves_that_the_relay_had_it(new_bounce_pipeline):
    loa = await new_bounce_pipeline()
    loa.answers[AN] = Outcome(Verdict.DOUBT, "timeout", 60.0)
    plan = await loa.deliver()
    assert await loa.status_counts(plan) == {Status.IN_DOUBT: 1, Status.DELIVERED: 1}
    await loa.bounce(AN, "5.2.2")
    assert await loa.status_counts(plan) == {Status.DELIVERED: 2}
    entry = await loa.entry(plan)
    assert (entry.rows, entry.notes) == (b"Dd", {})


async def test_a_bounce_of_a_row_on_the_wire_is_noted_and_comes_again(new_bounce_pipeline):
    loa = await new_bounce_pipeline()
    plan = await loa.deliver()
    batch = BatchKey(*plan, 0)
    held = await loa.ledger.state(batch)
    stands = held.value.with_rows({0: ord("s")}, {0: RowNote()})
    await loa.ledger.swap(batch, held, stands, until=float("inf"))
    with pytest.raises(RetryLater):
        await loa.bounce(AN, "5.1.1")
    assert await loa.suppression_reason(AN) == "bounced 5.1.1"


async def test_who_the_relay_refuses_is_judged_by_the_same_table(new_bounce_pipeline):
    loa = await new_bounce_pipeline(4)
    one, two, three, _ = loa.readers.ids
    loa.answers = {one: refusal("5.1.1"), two: refusal("5.2.2"), three: refusal("5.3.4")}
    plan = await loa.deliver()
    assert await loa.status_counts(plan) == {Status.FAILED: 3, Status.DELIVERED: 1}
    with structlog.testing.capture_logs() as logs:
        await loa.consume_receipts()
        await loa.consume_receipts()
    assert [await loa.suppression_reason(reader) for reader in loa.readers.ids] == [
        "bounced 5.1.1",
        *[None] * 3,
    ]
    assert "mail_content_refused" in {line["event"] for line in logs}
    total = await loa.books.totals(plan)
    assert total.bounced == 0, "what never left does not come back"


async def test_a_refusal_while_the_bus_is_silent_costs_only_news(new_bounce_pipeline, monkeypatch):
    loa = await new_bounce_pipeline()
    loa.answers = {AN: refusal("5.1.1")}
    real = loa.bus.publish

    async def silent(subject, *args, **options):
        if subject.startswith("receipt."):
            raise NoReply("no answer")
        return await real(subject, *args, **options)

    monkeypatch.setattr(loa.bus, "publish", silent)
    plan = await loa.deliver()
    assert await loa.status_counts(plan) == {Status.FAILED: 1, Status.DELIVERED: 1}


async def test_refusals_of_a_batch_that_is_gone_are_left_aside(new_bounce_pipeline):
    loa = await new_bounce_pipeline()
    said = {"content_id": "khong-co", "revision": 1, "batch": 0, "at": loa.now()}
    await loa.feedback.on_receipt(RelayRefusal(**said, refused={0: "5.1.1"}))
    assert [one async for one in loa.bus.bucket("suppressed").values()] == []
    assert subjects.receipt(loa.provider.name, "refusal") == "receipt.email.refusal"


async def test_wherever_the_bus_refuses_a_repeat_completes_it(new_bounce_pipeline, monkeypatch):
    """A handler that is interrupted at any step is run again, and completes the rest."""
    loa = await new_bounce_pipeline(60)
    plan = await loa.deliver()
    real, left = loa.bus.connection.request, iter(())

    async def ask(*args, **options):
        if next(left, None) is None:
            raise BusError("not now")
        return await real(*args, **options)

    monkeypatch.setattr(loa.bus.connection, "request", ask)
    cut_short = 0
    for steps, reader in enumerate(loa.readers.ids):
        left = iter(range(steps))
        with suppress(BusError):
            await loa.bounce(reader, "5.1.1")
            break
        left = count()
        await loa.bounce(reader, "5.1.1")
        cut_short += 1
    left = count()
    assert 6 <= cut_short < 60
    done = loa.readers.ids[: cut_short + 1]
    assert {await loa.suppression_reason(reader) for reader in done} == {"bounced 5.1.1"}
    assert (await loa.books.totals(plan)).bounced == len(done)
