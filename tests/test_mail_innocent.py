"""Who is not to blame is not left alone, and nobody alone stops the channel."""

import asyncio
import time
from datetime import UTC, datetime, timedelta

import pytest

from channels.base import Verdict
from channels.email import reports, verdicts
from channels.email.replies import Fate, Reply, Stage
from consumers.breaker import Breaker
from consumers.mail import brakes
from consumers.mail.brake import BounceBrake
from consumers.mail.brakes import Brake, Brakes
from consumers.mail.returns import HARD_FOR
from contracts.delivery import ChannelName, PlanKey, Status
from contracts.subscriber import Subscriber
from tests.fakes import people
from tests.mail_back import MailBack, refused
from tests.returned_mail import bounce, complaint

EMAIL = ChannelName.EMAIL
AN, BA = people(2)


@pytest.fixture
def house(bus, tmp_path):
    async def open_house(count: int = 2, **provider) -> MailBack:
        loa = MailBack(bus, tmp_path, count, **provider)
        await loa.settle()
        return loa

    return open_house


async def is_closed(loa: MailBack) -> bool:
    return (await loa.circuit.change(lambda one: one)).is_closed


async def test_a_single_reader_who_says_that_we_are_refused_stops_nobody(house):
    loa = await house(120)
    await loa.send()
    for _ in range(9):
        await loa.back(AN, "5.7.1")
        await loa.brake.look()
    assert await is_closed(loa)
    for reader in loa.readers.ids[1:5]:
        await loa.back(reader, "5.7.26")
    await loa.brake.look()
    assert await is_closed(loa), "five of 120 are no twentieth"


async def test_a_share_of_refusals_of_us_opens_the_breaker_each_time_that_more_come(house):
    loa = await house(100)
    await loa.send()
    for reader in loa.readers.ids[:5]:
        assert await is_closed(loa)
        await loa.back(reader, "5.7.26")
        await loa.brake.look()
    stands = await loa.circuit.change(lambda one: one)
    assert (stands.is_closed, stands.reason) == (False, "bounced 5.7.26")
    await loa.circuit.change(lambda _: Breaker())
    restarted = BounceBrake(loa.bus, loa.ledger, loa.clock)
    await restarted.remember()
    for one in (loa.brake, restarted):
        await loa.back(AN, "5.7.26")
        await one.look()
        assert await is_closed(loa), "nothing new has come"
    await loa.back(loa.readers.ids[5], "5.7.1")
    await loa.brake.look()
    assert not await is_closed(loa)


@pytest.mark.parametrize("stage", [Stage.MAIL, Stage.RCPT])
def test_a_relay_that_does_not_know_our_parameters_fails_no_row(stage):
    said = verdicts.judge(Reply(Fate.REFUSED, stage, 555))
    assert (said.verdict, said.code) == (Verdict.HELD, "5.5.0")


async def test_a_refusal_that_is_heard_of_late_spares_the_address_of_today(house):
    loa = await house()
    loa.answers = {AN: refused("5.1.1"), BA: refused("5.1.1")}
    loa.clock.now = time.time()
    await loa.send()
    changed = Subscriber(id=AN, email=f"{AN}@example.com", name="Đã đổi")
    await loa.bus.bucket("subscribers").put(f"s.{AN}", changed.model_dump_json().encode())
    await loa.heard()
    assert [await loa.why(one) for one in (AN, BA)] == [None, "bounced 5.1.1"]


async def test_a_refusal_is_told_before_it_is_booked_so_that_no_kill_loses_it(house, monkeypatch):
    loa = await house()
    loa.answers = {AN: refused("5.1.1")}
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
    assert Status.FAILED not in await loa.counts(plan)
    await loa.heard()
    assert await loa.why(AN) == "bounced 5.1.1"


async def test_what_a_person_has_lifted_is_not_put_back_by_a_report_that_is_older(house):
    loa = await house()
    registry, address, at = loa.suppressions, f"{AN}@example.com", datetime.now(UTC)
    said = {"reason": "bounced 5.1.1", "until": at + HARD_FOR, "at": at}
    await registry.add(EMAIL, address, **said)
    assert await registry.lift(EMAIL, address, by="Trần Thị Bình")
    await registry.add(EMAIL, address, **said)
    assert await registry.reason(EMAIL, address) is None
    younger = (await registry.standing(registry.key(EMAIL, address))).at + timedelta(seconds=1)
    await registry.add(EMAIL, address, "bounced 5.1.1", younger + HARD_FOR, at=younger)
    assert await registry.reason(EMAIL, address) == "bounced 5.1.1"


def test_what_was_stopped_stays_so_however_long_nobody_decides():
    old, new = PlanKey(EMAIL, "tin-cu", 1), PlanKey(EMAIL, "tin-moi", 1)
    facts = {"mails": 1000, "failed": 100}
    stands = Brakes().put(str(old), Brake(state="stopped", at=0.0, **facts))
    stands = stands.put("email.tin-khac.1", Brake(state="warned", at=0.0, **facts))
    later = Brake(state="warned", at=2 * brakes.REMEMBERED_S, **facts)
    assert stands.put(str(new), later).stops(old)
    assert set(stands.put(str(new), later).plans) == {str(old), str(new)}


async def test_a_group_of_which_one_member_is_gone_is_not_left_alone_at_once(house):
    loa = await house()
    one = bounce().replace(b"Final-Recipient: rfc822; an@", b"Final-Recipient: rfc822; da-nghi@")
    report = reports.read(one, "")
    assert (report.final, "an@example.com" in report.addresses) == ("da-nghi@example.com", True)
    for number, left_alone in enumerate((None, None, "bounced 5.1.1")):
        await loa.send(content_id=f"tin-{number}")
        await loa.back(AN, "5.1.1", final=loa.suppressions.seal(report.final))
        assert await loa.why(AN) == left_alone
    await loa.back(BA, "5.1.1", final=loa.suppressions.seal(f"{BA}@example.com"))
    assert await loa.why(BA) == "bounced 5.1.1"


async def test_a_complaint_whose_reader_is_blotted_out_counts_for_the_row_it_leads_to(house):
    loa = await house()
    await loa.send()
    for blotted in ("redacted", "redacted@example.com"):
        report = reports.read(complaint(to=blotted), "")
        assert (report.kind, report.addresses) == (reports.Kind.COMPLAINT, ())
    await loa.back(AN, "", "complaint", seals=())
    assert await loa.why(AN) == "complaint"


def test_a_mail_of_parts_in_parts_is_not_taken_apart():
    nested = "".join(
        f"Content-Type: multipart/mixed; BOUNDARY=b{n}\r\n\r\n--b{n}\r\n" for n in range(21)
    )
    with pytest.raises(ValueError, match="parts in parts"):
        reports.read(nested.encode(), "")
    assert reports.read(bounce(), "").code == "5.1.1"
