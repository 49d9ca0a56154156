"""`loa trace --reader`: what became of an item for one reader, and why no mail was planned."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from channels.base import Outcome, Verdict
from consumers.email.bounce_records import BounceRecords
from consumers.key_file import KeyFile, register_key
from consumers.ledger import codec
from consumers.ledger.doubts import Doubt, DoubtCause
from consumers.ledger.entry import RowNote
from consumers.reporting.reader_trace import ReaderTracer
from consumers.subscribers.store import SubscriberStore
from consumers.suppression.store import SuppressionStore
from contracts import keys
from contracts.delivery import BatchKey, ChannelName, Status
from contracts.subscriptions.subscriber import UNTIL_RESUMED, Subscriber
from contracts.text.moments import VIETNAM
from tests.support.cli import json_output
from tests.support.decisions import approve_item
from tests.support.digest_pipeline import DigestPipeline
from tests.support.events import ITEM, corrected, submitted
from tests.support.intake_harness import IntakeHarness

KEYS = KeyFile(b"k" * 32)
EMAIL = ChannelName.EMAIL
ADDRESS = "ong.ba@example.com"
SECOND = "r0001"
"""The second row of the newsroom's first batch."""


@pytest.fixture
async def intake_harness(bus, clock, tmp_path):
    await register_key(bus, KEYS)
    (tmp_path / "vault.key").write_text(KEYS.secret.hex())
    return IntakeHarness(bus, clock)


async def reads(bus, id=SECOND, **wishes):
    one = Subscriber(id=id, email=ADDRESS, **wishes)
    await SubscriberStore.from_key_file(bus, KEYS).upsert(ADDRESS, lambda _: one)


async def noted(news, note: RowNote, revision: int = 1) -> BatchKey:
    """Why the second row has its status."""
    batch = BatchKey(EMAIL, ITEM, revision, 0)
    state = replace((await news.ledger.state(batch)).value, notes={1: note})
    await news.ledger.bucket.put(f"state.{batch}", codec.encode_state(state))
    return batch


async def test_every_mail_of_an_item_is_told_the_latest_revision_first(bus, intake_harness, loa):
    await reads(bus)
    await intake_harness.take_in(submitted())
    await intake_harness.add_plan(b"ddx")
    batch, records = BatchKey(EMAIL, ITEM, 1, 0), BounceRecords(bus.bucket("ledger"))
    await records.record_bounce(batch, 1, "5.1.1", 0.0)
    await intake_harness.take_in(corrected())
    await intake_harness.add_plan(b"drp", revision=2)
    again = datetime(2099, 1, 1, tzinfo=UTC)
    await noted(intake_harness, RowNote(attempts=3, due=again.timestamp(), reason="451 busy"), 2)
    told = json_output(await loa("trace", ITEM, "--reader", ADDRESS.upper(), "--json"))
    retry = {"attempts": 3, "reason": "451 busy", "due": "2099-01-01T00:00:00Z"}
    latest = {"revision": 2, "status": "deferred"} | retry
    first = {"revision": 1, "status": "delivered", "came_back": "5.1.1"}
    ids = [mail.pop("message_id") for mail in told["mails"]]
    assert told == {"content_id": ITEM, "mails": [latest, first]}
    delivery_keys = [keys.delivery_key(ITEM, revision, EMAIL, SECOND) for revision in (2, 1)]
    assert [f"<{id}@mail.example>" for id in ids] == [
        keys.message_id(key, "mail.example") for key in delivery_keys
    ]
    run = await loa("trace", ITEM, "--reader", ADDRESS)
    for said in ("deferred", "451 busy", "2099-01-01 07:00:00+07", "delivered", "5.1.1"):
        assert said in run.stdout, said
    assert ADDRESS not in run.stdout + run.stderr and SECOND not in run.stdout


async def test_a_mail_is_found_in_the_log_of_the_relay_by_its_id_and_its_time(
    bus, intake_harness, loa
):
    await reads(bus)
    await intake_harness.take_in(submitted())
    await intake_harness.add_plan(b"ddx")
    batch = BatchKey(EMAIL, ITEM, 1, 0)
    entry = (await intake_harness.ledger.state(batch)).value
    begun = datetime(2027, 1, 15, 8, tzinfo=UTC)
    sent = replace(entry, created=begun.timestamp(), progress=(4.0, 60.0))
    await intake_harness.ledger.bucket.put(f"state.{batch}", codec.encode_state(sent))
    told = json_output(await loa("trace", ITEM, "--reader", SECOND, "--json"))
    [mail] = told["mails"]
    assert (mail["sent_from"], mail["sent_to"]) == ("2027-01-15T08:00:04Z", "2027-01-15T08:01:00Z")
    said = (await loa("trace", ITEM, "--reader", SECOND)).stdout
    for words in (f"<{mail['message_id']}@", "15:00:04", "15:01:00"):
        assert words in said
    unknown = await loa("trace", ITEM, "--reader", "khong-co")
    assert (unknown.exit_code, "is not among the readers" in unknown.stderr) == (2, True)


async def test_after_a_doubt_no_time_is_told_at_which_the_last_mail_left(bus, intake_harness, loa):
    """A receipt or a person may end a doubt days later, and the ledger keeps that moment."""
    await reads(bus)
    await intake_harness.take_in(submitted())
    await intake_harness.add_plan(b"dxD")
    batch = BatchKey(EMAIL, ITEM, 1, 0)
    entry = (await intake_harness.ledger.state(batch)).value
    begun = datetime(2027, 1, 15, 8, tzinfo=UTC).timestamp()
    doubted = replace(entry, rows=b"ddd", created=begun, progress=(4.0, 90_000.0))
    doubted = replace(doubted, doubts=(Doubt(begun, 1, DoubtCause.UNANSWERED, "no answer"),))
    await intake_harness.ledger.bucket.put(f"state.{batch}", codec.encode_state(doubted))
    [mail] = json_output(await loa("trace", ITEM, "--reader", SECOND, "--json"))["mails"]
    assert mail["sent_from"] == "2027-01-15T08:00:04Z" and "sent_to" not in mail
    said = (await loa("trace", ITEM, "--reader", SECOND)).stdout
    assert "in doubt" in said and "15:00:04" in said
    assert "16:00:00" not in said and "chưa rõ" in said


async def test_what_holds_up_a_mail_that_waits_is_told_in_both_languages(bus, intake_harness, loa):
    await reads(bus)
    await intake_harness.take_in(submitted())
    await intake_harness.add_plan(b"dpd")
    await loa("pause", "email", "--reason", "bảo trì", "--by", "Bình")
    said = (await loa("trace", ITEM, "--reader", ADDRESS)).stdout
    assert "email: is paused" in said and "email: đang tạm dừng" in said
    assert said.count("Bình") == said.count("bảo trì") == 2, "by whom and why, in both languages"


async def test_an_address_that_is_left_alone_says_why_and_until_when(bus, intake_harness, loa):
    await reads(bus)
    await intake_harness.take_in(submitted())
    await intake_harness.add_plan(b"dud")
    await noted(intake_harness, RowNote(reason="bounced 5.1.1"))
    at = datetime.now(UTC)
    registry = SuppressionStore.from_key_file(bus, KEYS)
    await registry.add(EMAIL, ADDRESS, "bounced 5.1.1", at + timedelta(days=9), at=at)
    run = await loa("trace", ITEM, "--reader", ADDRESS)
    until = (at + timedelta(days=9)).astimezone(VIETNAM)
    assert f"until {until:%Y-%m-%d}: bounced 5.1.1" in run.stdout
    assert f"đến {until:%d/%m/%Y}: thư bị trả lại (5.1.1)" in run.stdout
    told = json_output(await loa("trace", ITEM, "--reader", ADDRESS, "--json"))
    assert told["mails"][0]["status"] == "suppressed"
    assert told["suppressed"]["reason"] == "bounced 5.1.1"


FAR = datetime(2099, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("wishes", "about", "field", "said"),
    [
        ({"topics": ["viec-lam"]}, {}, "topics", "viec-lam, còn tin thuộc cai-cach-hanh-chinh"),
        ({"units": ["vu-phap-che"]}, {}, "units", "wants vu-phap-che, and it has van-phong-bo"),
        ({"audiences": ["can-bo"]}, {"audiences": ["cong-dan"]}, "audiences", "it has cong-dan"),
        ({"frequency": "daily"}, {}, "frequency", "bản tổng hợp (hằng ngày)"),
        ({"paused_until": FAR}, {}, "paused_until", "tạm dừng đến 07:00 ngày 01/01/2099"),
        ({"paused_until": UNTIL_RESUMED}, {}, "paused_until", "until they end it themselves"),
        ({}, {"channels": ["portal"]}, "channels", "không gửi qua thư điện tử"),
        ({}, {}, "email", "was not planned for them"),
        ({"active": False, "email": ""}, {}, "reader", "đã ngừng nhận tin"),
    ],
)
async def test_why_one_is_not_planned_is_told(bus, intake_harness, loa, wishes, about, field, said):
    await intake_harness.take_in(submitted(**about))
    await intake_harness.add_plan(b"ddd")
    one = Subscriber.model_validate({"id": "zz", "email": ADDRESS} | wishes)
    await SubscriberStore.from_key_file(bus, KEYS).upsert(ADDRESS, lambda _: one)
    run = await loa("trace", ITEM, "--reader", ADDRESS)
    lines = [line for line in run.stdout.splitlines() if line.startswith(f"{field}: ")]
    assert len(lines) == 2 and said in "\n".join(lines), run.stdout


async def test_before_the_readers_are_settled_or_all_is_out_that_is_said(bus, intake_harness, loa):
    await reads(bus)
    await intake_harness.take_in(submitted(), "desk")
    assert "is released" in (await loa("trace", ITEM, "--reader", ADDRESS)).stdout
    await approve_item(intake_harness.intake.decisions, ITEM, "Trần Thị Bình")
    assert "not settled yet" in (await loa("trace", ITEM, "--reader", ADDRESS)).stdout


@pytest.mark.parametrize(
    ("item", "address", "field"),
    [
        (ITEM, "ai.do@example.com", "reader"),
        (ITEM, "khong phai dia chi", "reader"),
        ("chua-co", ADDRESS, "content_id"),
        ("digest-daily-2027-01-16", ADDRESS, "reader"),
    ],
)
async def test_unknown_ones_are_refused_not_echoed(bus, intake_harness, loa, item, address, field):
    await reads(bus)
    await intake_harness.take_in(submitted())
    run = await loa("trace", item, "--reader", address)
    assert (run.exit_code, run.stderr.startswith(f"{field}: ")) == (2, True)
    assert address not in run.stdout + run.stderr


async def test_a_digest_counts_for_those_who_got_the_item_in_it(bus, tmp_path):
    pipeline = DigestPipeline(bus, tmp_path)
    pipeline.directory.add("an", frequency="daily")
    pipeline.directory.add("binh", frequency="daily", topics=["viec-lam"])
    await pipeline.run_service()
    await pipeline.release_and_plan("tin-mot")
    await pipeline.release_and_plan("tin-hai", topic="viec-lam")
    await pipeline.pass_days()
    pipeline.recorder.answer = lambda _: Outcome(Verdict.DELIVERED)
    await pipeline.deliver()
    item = await pipeline.register.item("tin-mot")
    an, binh = [
        ReaderTracer(bus, pipeline.directory.subscribers[id], pipeline.now())
        for id in ("an", "binh")
    ]
    [mail] = (await an.trace("tin-mot", item)).mails
    assert (mail.revision, mail.status) == (1, Status.DELIVERED)
    assert mail.digest.startswith("digest-daily-")
    other = await binh.trace("tin-mot", item)
    assert other.mails == [] and other.why[0].field == "topics", "their digest had the other item"
    pipeline.directory.store.close()
