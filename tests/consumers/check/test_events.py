"""Accepted events: what is lost is named with its place, what is only on its way is not."""

import pytest

from consumers.check.context import CheckContext, ConsumerProgress
from consumers.check.events import EventRules
from contracts import subjects
from tests.support.check_harness import acknowledge_all
from tests.support.events import ITEM, UNIT, corrected, register_unit, submitted, withdrawn


async def stored(harness, event):
    """Store an event on the stream that intake has not taken in."""
    headers = {"Content-Type": "application/cloudevents+json"}
    body = event.model_dump_json(exclude={"extensions", "time"}, exclude_none=True).encode()
    return await harness.bus.publish(f"content.{UNIT}.submitted", body, headers=headers)


async def test_an_event_that_waits_for_intake_is_not_lost(check_harness):
    await check_harness.send(submitted())
    await stored(check_harness, submitted("tin-moi"))
    assert await check_harness.violations(later_s=3600.0) == []


async def test_an_event_that_is_tried_in_vain_for_ten_minutes_is_named(check_harness):
    bus = check_harness.bus
    await check_harness.send(submitted())
    stuck = await stored(check_harness, submitted("tin-moi"))
    pull = await bus.js.pull_subscribe_bind(durable=subjects.INTAKE, stream="CONTENT")
    [first] = await pull.fetch(1, timeout=5.0)
    await first.nak()
    await pull.fetch(1, timeout=5.0)
    arrived = (await bus.get_message("CONTENT", stuck.seq)).time.timestamp()
    tried = (await ConsumerProgress(bus).consumer("CONTENT", subjects.INTAKE)).delivered_at
    for now, found in (
        (arrived + 599.0, []),
        (600.0 + (arrived + tried) / 2, ["event-stuck"]),  # it is still being tried
        (arrived + 1300.0, []),  # no worker tries it
    ):
        rules = EventRules(CheckContext(bus, lambda now=now: now, recheck_after_s=0.0))
        assert [violation.rule for violation in await rules.violations()] == found


async def test_what_was_refused_repeated_or_withdrawn_is_not_lost(check_harness):
    await check_harness.send(submitted())
    await check_harness.send(submitted())
    await check_harness.send(submitted(title="Cùng một id, nội dung khác"))
    await check_harness.send(submitted(revision=1).model_copy(update={"id": "khac"}))
    await check_harness.send(corrected())
    await check_harness.send(withdrawn())
    await check_harness.send(withdrawn("khong-co-tin-nay"))
    await check_harness.deliver_all(ITEM)
    assert await check_harness.violations() == []


@pytest.mark.parametrize(
    ("lost", "place"), [(0, "at the beginning"), (1, "in the middle"), (2, "at the end")]
)
async def test_the_place_of_a_lost_event_is_told(check_harness, lost, place):
    names = ["tin-a", "tin-b", "tin-c"]
    for name in names:
        await check_harness.send(submitted(name))
        await check_harness.deliver_all(name)
    await check_harness.bus.bucket("publications").purge(f"{names[lost]}.1")
    violations = (await check_harness.check()).violations
    [detail] = [one.detail for one in violations if one.rule == "event-lost"]
    assert f"lost {place}" in detail


@pytest.mark.promise("1.5")
async def test_junk_that_was_settled_without_a_dead_letter_is_lost(check_harness):
    await check_harness.bus.publish(f"content.{UNIT}.submitted", b"\xff\x00")
    await acknowledge_all(check_harness.bus, "CONTENT", subjects.INTAKE)
    assert await check_harness.violations() == [("event-lost", "CONTENT.1")]


async def test_the_end_of_a_stream_that_is_gone_is_noticed(check_harness):
    """A disk lost what it had acknowledged: intake has read further than the stream goes."""
    for name in ("tin-a", "tin-b"):
        await check_harness.send(submitted(name))
        await check_harness.deliver_all(name)
    last = (await check_harness.bus.stream_info("CONTENT"))["state"]["last_seq"]
    await check_harness.delete("CONTENT", last)
    found = await check_harness.violations()
    assert ("stream-gap", "CONTENT") in found
    assert ("publication-unexpected", "publication.tin-b.1") in found


async def test_an_older_record_without_a_policy_follows_the_units_present_one(check_harness):
    await check_harness.send(submitted())
    await check_harness.deliver_all(ITEM)
    await register_unit(check_harness.bus, UNIT, release="desk")
    assert await check_harness.violations() == [], "the policy of the day counts"
    await check_harness.record("publications", f"{ITEM}.1", policy="")
    assert await check_harness.violations() == [("unapproved", f"publication.{ITEM}.1")]


@pytest.mark.parametrize(
    ("bucket", "key", "found"),
    [
        ("ledger", "plan.cai-gi-day", "plan.cai-gi-day"),
        ("ledger", "plan.email.tin-la.1", "plan.email.tin-la.1"),
        ("ledger", "state.cai-gi-day", "state.cai-gi-day"),
        ("events", "e" * 26, f"event.{'e' * 26}"),
        ("publications", "tin-la", "publication.tin-la"),
        ("publications", "tin-la.1", "publication.tin-la.1"),
    ],
)
async def test_the_unreadable_is_named_and_holds_up_nothing_else(check_harness, bucket, key, found):
    await check_harness.send(submitted())
    await check_harness.deliver_all(ITEM)
    await check_harness.bus.bucket(bucket).put(key, b'{"v":"tam bay"}')
    assert await check_harness.violations() == [("unreadable", found)]


async def test_letters_and_publications_that_nobody_can_read_are_named(check_harness):
    await check_harness.bus.publish("dead.intake", b"{}")
    await check_harness.bus.publish("publication.viec-lam.tin-la", b"{}")
    await check_harness.bus.bucket("units").put("cuc-viec-lam", b"{}")
    assert await check_harness.violations() == [
        ("unreadable", "DEAD.1"),
        ("unreadable", "PUBLICATIONS.1"),
    ]
