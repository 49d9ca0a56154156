"""Bounce attribution: no address is suppressed without cause, and none stops the channel alone."""

import asyncio
import time
from datetime import UTC, datetime, timedelta

import pytest

from channels.email.inbound import bounce_parser
from consumers.channel_health.breaker import Breaker
from consumers.email import bounce_stops
from consumers.email.bounce_monitor import BounceMonitor
from consumers.email.bounce_stops import BounceStop, BounceStops
from contracts.base.retention import DEFAULT
from contracts.delivery import ChannelName, PlanKey, Status
from contracts.subscriptions.subscriber import Subscriber
from tests.support.bounce_mails import bounce_mail, complaint_mail
from tests.support.bounce_pipeline import BouncePipeline, refusal
from tests.support.scripted_channel import reader_ids

EMAIL = ChannelName.EMAIL
SPAN = DEFAULT.span("failed_addresses")
AN, BA = reader_ids(2)


async def is_closed(loa: BouncePipeline) -> bool:
    return (await loa.circuit.update(lambda one: one)).is_closed


async def test_a_single_reader_who_says_that_we_are_refused_stops_nobody(new_bounce_pipeline):
    loa = await new_bounce_pipeline(120)
    await loa.deliver()
    for _ in range(9):
        await loa.bounce(AN, "5.7.1")
        await loa.brake.check_changed()
    assert await is_closed(loa)
    for reader in loa.readers.ids[1:5]:
        await loa.bounce(reader, "5.7.26")
    await loa.brake.check_changed()
    assert await is_closed(loa), "five of 120 are no twentieth"


async def test_a_share_of_refusals_of_us_opens_the_breaker_whenever_more_come(new_bounce_pipeline):
    loa = await new_bounce_pipeline(100)
    await loa.deliver()
    for reader in loa.readers.ids[:5]:
        assert await is_closed(loa)
        await loa.bounce(reader, "5.7.26")
        await loa.brake.check_changed()
    stands = await loa.circuit.update(lambda one: one)
    assert (stands.is_closed, stands.reason) == (False, "bounced 5.7.26")
    await loa.circuit.update(lambda _: Breaker())
    restarted = BounceMonitor(loa.bus, loa.ledger, loa.clock)
    await restarted.load_recent()
    for one in (loa.brake, restarted):
        await loa.bounce(AN, "5.7.26")
        await one.check_changed()
        assert await is_closed(loa), "nothing new has come"
    await loa.bounce(loa.readers.ids[5], "5.7.1")
    await loa.brake.check_changed()
    assert not await is_closed(loa)


async def test_a_refusal_that_is_heard_of_late_spares_the_address_of_today(new_bounce_pipeline):
    loa = await new_bounce_pipeline()
    loa.answers = {AN: refusal("5.1.1"), BA: refusal("5.1.1")}
    loa.clock.now = time.time()
    await loa.deliver()
    changed = Subscriber(id=AN, email=f"{AN}@example.com", name="Đã đổi")
    await loa.bus.bucket("subscribers").put(f"s.{AN}", changed.model_dump_json().encode())
    await loa.consume_receipts()
    assert [await loa.suppression_reason(one) for one in (AN, BA)] == [None, "bounced 5.1.1"]


async def test_a_refusal_is_told_before_it_is_booked_none_is_lost(new_bounce_pipeline, monkeypatch):
    loa = await new_bounce_pipeline()
    loa.answers = {AN: refusal("5.1.1")}
    plan = await loa.plan()
    real = loa.ledger.swap

    async def killed(batch, held, entry, **options):
        if b"x" in entry.rows:
            raise asyncio.CancelledError
        return await real(batch, held, entry, **options)

    monkeypatch.setattr(loa.ledger, "swap", killed)
    with pytest.raises(asyncio.CancelledError):
        await loa.work(plan)
    monkeypatch.undo()
    assert Status.FAILED not in await loa.status_counts(plan)
    await loa.consume_receipts()
    assert await loa.suppression_reason(AN) == "bounced 5.1.1"


async def test_what_a_person_has_lifted_is_not_put_back_by_an_older_report(new_bounce_pipeline):
    loa = await new_bounce_pipeline()
    registry, address, at = loa.suppressions, f"{AN}@example.com", datetime.now(UTC)
    said = {"reason": "bounced 5.1.1", "until": at + SPAN, "at": at}
    await registry.add(EMAIL, address, **said)
    assert await registry.lift(EMAIL, address, by="Trần Thị Bình")
    await registry.add(EMAIL, address, **said)
    assert await registry.reason(EMAIL, address) is None
    lifted = await registry.find(registry.key_of_address(EMAIL, address))
    younger = lifted.at + timedelta(seconds=1)
    await registry.add(EMAIL, address, "bounced 5.1.1", younger + SPAN, at=younger)
    assert await registry.reason(EMAIL, address) == "bounced 5.1.1"


def test_what_was_stopped_stays_so_however_long_nobody_decides():
    old, new = PlanKey(EMAIL, "tin-cu", 1), PlanKey(EMAIL, "tin-moi", 1)
    facts = {"mails": 1000, "failed": 100}
    stands = BounceStops().with_stop(str(old), BounceStop(state="stopped", at=0.0, **facts))
    stands = stands.with_stop("email.tin-khac.1", BounceStop(state="warned", at=0.0, **facts))
    later = BounceStop(state="warned", at=2 * bounce_stops.RETENTION_S, **facts)
    assert stands.with_stop(str(new), later).is_stopped(old)
    assert set(stands.with_stop(str(new), later).plans) == {str(old), str(new)}


async def test_a_group_of_which_one_member_is_gone_is_not_left_alone_at_once(new_bounce_pipeline):
    loa = await new_bounce_pipeline()
    field = b"Final-Recipient: rfc822; "
    one = bounce_mail().replace(field + b"an@", field + b"da-nghi@")
    report = bounce_parser.parse_report(one, "")
    assert report.final_recipient == "da-nghi@example.com"
    assert "an@example.com" in report.addresses
    for number, left_alone in enumerate((None, None, "bounced 5.1.1")):
        await loa.deliver(content_id=f"tin-{number}")
        await loa.bounce(AN, "5.1.1", final=loa.suppressions.hash_address(report.final_recipient))
        assert await loa.suppression_reason(AN) == left_alone
    await loa.bounce(BA, "5.1.1", final=loa.suppressions.hash_address(f"{BA}@example.com"))
    assert await loa.suppression_reason(BA) == "bounced 5.1.1"


async def test_a_complaint_whose_reader_is_blotted_out_counts_for_its_row(new_bounce_pipeline):
    loa = await new_bounce_pipeline()
    await loa.deliver()
    for blotted in ("redacted", "redacted@example.com"):
        report = bounce_parser.parse_report(complaint_mail(to=blotted), "")
        assert (report.kind, report.addresses) == (bounce_parser.ReportKind.COMPLAINT, ())
    await loa.bounce(AN, "", "complaint", seals=())
    assert await loa.suppression_reason(AN) == "complaint"
