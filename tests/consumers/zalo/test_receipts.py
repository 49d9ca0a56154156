"""Zalo's events about template messages are evidence for their notice, by either of its ids."""

import asyncio
import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest
import structlog

from channels.errors import Unreachable
from channels.zalo.webhook.events import DELIVERY_KINDS, EventKind, ZaloEvent
from consumers.app import broker as app_broker
from consumers.app.broker import sealed_only
from consumers.case_notices.message_ids import NoticeFinder, NoticeMessageIds
from consumers.feedback.handler import FeedbackHandler
from consumers.feedback.handler import parse_receipt as read_receipt
from consumers.ledger.entry import notice_entry
from consumers.ledger.store import Ledger
from consumers.seals.records import seal_zalo_receipts
from contracts import keys, subjects
from contracts.delivery import BatchKey, ChannelName
from contracts.errors import ContractError
from contracts.records import NoticeRecord, notice_key
from producers.seals import publish_sealed
from tests.support.zalo_webhook import PHONE

CASE = keys.case_content_id("G09.20-20260609-0092637")
BATCH = BatchKey(ChannelName.ZALO, CASE, 3, 0)
TRACKING = notice_key(CASE, 3, "e")
AT = datetime(2027, 1, 15, 5, tzinfo=UTC)


@pytest.fixture
async def feedback(bus, ledger):
    """A handler, with a notice that was sent under its tracking id, as message z-1."""
    record = NoticeRecord(
        content_id=CASE, revision=3, event_id="e", unit="u",
        contact={"consent": True, "phone": PHONE}, channels=("zalo",),
    )  # fmt: skip
    await bus.bucket(subjects.NOTICES.name).put(TRACKING, record.model_dump_json().encode())
    await NoticeMessageIds(bus).save(TRACKING, "z-1", untracked=True)
    await ledger.create_notice(BATCH, notice_entry(1, "e", 1.0))
    return FeedbackHandler(ledger, NoticeFinder(bus))


def told(kind: str = "delivered", **facts) -> ZaloEvent:
    return ZaloEvent(**({"kind": EventKind(kind), "key": "k", "at": AT} | facts))


async def stand(ledger: Ledger, letter: str) -> None:
    """Store the notice's only row as a worker may have left it."""
    held = await ledger.state(BATCH)
    await ledger.swap(BATCH, held, replace(held.value, rows=letter.encode()), until=float("inf"))


async def letter(ledger: Ledger) -> str:
    return (await ledger.state(BATCH)).value.rows.decode()


BY_TRACKING = {"tracking_id": TRACKING, "message_ids": ("z-9",)}
BY_MESSAGE = {"message_ids": ("z-0", "z-1")}


@pytest.mark.promise("12.3")
@pytest.mark.parametrize("ids", [BY_TRACKING, BY_MESSAGE], ids=["tracking id", "message id"])
@pytest.mark.parametrize("kind", sorted(DELIVERY_KINDS))
@pytest.mark.parametrize(("was", "becomes"), [("k", "d"), ("K", "D"), ("P", "D"), ("X", "D")])
async def test_a_notice_in_doubt_has_arrived_after_all(ledger, feedback, ids, kind, was, becomes):
    await stand(ledger, was)
    await feedback.on_receipt(told(kind, **ids))
    assert await letter(ledger) == becomes


@pytest.mark.parametrize("kind", sorted(set(EventKind) - DELIVERY_KINDS))
async def test_what_zalo_tells_of_people_changes_no_row(ledger, feedback, kind):
    await stand(ledger, "k")
    with structlog.testing.capture_logs() as logs:
        await feedback.on_receipt(told(kind, **BY_TRACKING))
    assert (await letter(ledger), logs) == ("k", [])


@pytest.mark.parametrize(
    ("ids", "level"),
    [({"tracking_id": "unknown"}, "warning"), ({"message_ids": ("unknown",)}, "info")],
)
async def test_a_message_of_nobodys_is_named_and_done(ledger, feedback, ids, level):
    """A message without a tracking id may be a reply, or written by hand at oa.zalo.me."""
    with structlog.testing.capture_logs() as logs:
        await feedback.on_receipt(told(**ids))
    assert [(one["event"], one["log_level"]) for one in logs] == [("receipt_unmatched", level)]


async def test_a_notice_that_was_never_begun_is_not_begun_by_an_event(bus, ledger, feedback):
    await bus.bucket(subjects.LEDGER.name).purge(f"state.{BATCH}")
    await feedback.on_receipt(told(**BY_TRACKING))
    assert await ledger.state(BATCH) is None


async def test_both_receipts_come_and_broken_ones_are_named(nats_server, bus, ledger, feedback):
    await stand(ledger, "k")
    buried: list[str] = []

    async def bury(stage, message, errors):
        buried.extend(error.field for error in errors)

    broker = app_broker.create_broker(nats_server.url, bury, app_broker.BrokerWatch())
    consumer = subjects.RECEIPTS.consumers[0]
    seal_zalo_receipts(bus, b"k" * 32)
    on_receipt = sealed_only(bus, feedback.on_receipt)
    app_broker.subscribe(broker, subjects.RECEIPTS, consumer, on_receipt)
    await broker.start()
    good = json.loads(told(**BY_TRACKING).model_dump_json())
    row = {"channel": "zalo", "content_id": "tin-moi", "revision": 1, "recipient": "b"}
    receipts = (
        good | {"kind": "fax"}, [], row | {"revision": 0}, row | {"content_id": "Tin mới"},
        row | {"channel": "fax"}, row, good | {"added": "later"},
    )  # fmt: skip
    for number, body in enumerate([*map(json.dumps, receipts), "{"]):
        await publish_sealed(bus, "receipt.zalo.delivered", body.encode(), str(number))
    named = ["kind", "", "revision", "content_id", "channel", ""]
    async with asyncio.timeout(10):
        while await letter(ledger) != "d" or len(buried) < len(named):
            await asyncio.sleep(0.01)
    await broker.stop()
    assert buried == [f"receipt.{field}".rstrip(".") for field in named]


@pytest.mark.parametrize("data", [b"", b"5", b"null", b"\xff", b'{"kind": 5}'])
def test_what_is_no_receipt_breaks_the_contract(data):
    with pytest.raises(ContractError):
        read_receipt(data)


async def test_message_ids_lie_where_the_contact_lies(bus):
    sent, bucket = NoticeMessageIds(bus), bus.bucket(subjects.NOTICES.name)
    tracking_id = "a2" * 24
    assert await sent.message_id(tracking_id) == ""
    await sent.save(tracking_id, "f00d")
    await sent.save("b" * 48, "beef", untracked=True)
    assert await sent.message_id(tracking_id) == "f00d"
    assert (await bucket.get("message.beef")).data == b"b" * 48
    assert await bucket.get("message.f00d") is None


async def test_a_message_id_that_can_not_be_kept_is_said(bus):
    with pytest.raises(Unreachable):
        await NoticeMessageIds(bus).save("a" * 48, "what an id", untracked=True)
