"""Receipts have an effect only if one of Loa's own doors has stored them."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest
import structlog

from channels.zalo.webhook.events import ZaloEvent
from consumers.email.receipts import ReturnedMail
from consumers.feedback.guard import replay_headers, require_sealed
from consumers.key_file import KeyFile
from consumers.seals.records import seal_zalo_receipts
from consumers.zalo.event_publisher import ZaloEventPublisher
from contracts import subjects
from contracts.base.seals import SEAL_HEADER
from contracts.errors import ContractError, Invalid
from producers.bus import Bus
from producers.seals import publish_sealed
from tests.support.records_forger import seal_new_records

BOUNCE = ReturnedMail(returned="bounce", at=datetime(2026, 11, 29, tzinfo=UTC), place="p")
FOLLOW = ZaloEvent(key="k", kind="follow", at=datetime(2026, 11, 29, tzinfo=UTC), user_id="1")
STREAM = subjects.RECEIPTS.name


@pytest.fixture
def keys(bus, tmp_path):
    """The key file of the services that seal and verify receipts over *bus*."""
    keys = KeyFile.open(tmp_path / "vault.key")
    seal_new_records(bus, keys)
    return keys


@pytest.fixture
async def webhook(nats_server, keys):
    """The bus of a webhook that has its own part of the key alone."""
    async with await Bus.connect(nats_server.url) as own:
        seal_zalo_receipts(own, keys.receipts_key())
        yield own


async def stored(bus, seq=1):
    return await bus.get_message(STREAM, seq)


async def assert_refused(bus, message):
    """It is refused with a text in both languages, and there is an alarm."""
    with structlog.testing.capture_logs() as logs, pytest.raises(Invalid) as caught:
        await require_sealed(bus, message)
    alarms = [(one["event"], one["log_level"], one["seq"]) for one in logs]
    assert alarms == [("receipt_not_sealed", "error", message.seq)]
    assert all(one.message and one.message_vi for one in caught.value.errors)
    with pytest.raises(Invalid):
        await replay_headers(bus, message, "again")


async def test_what_the_webhook_and_the_bounce_door_stored_is_admitted(bus, keys, webhook):
    await ZaloEventPublisher(webhook).publish(FOLLOW)
    await publish_sealed(bus, "receipt.email.bounce", BOUNCE.model_dump_json().encode(), "one")
    assert await require_sealed(bus, await stored(bus, 1)) == FOLLOW
    assert await require_sealed(bus, await stored(bus, 2)) == BOUNCE


FORGERIES = {
    "without a seal": lambda one: replace(one, headers={}),
    "moved": lambda one: replace(one, subject="receipt.zalo.withdrawn"),
    "to another channel": lambda one: replace(one, subject="receipt.email.bounce"),
    "cut": lambda one: replace(one, data=one.data[:-2]),
    "of another person": lambda one: replace(one, data=one.data.replace(b'"1"', b'"2"')),
    "again under another id": lambda one: replace(
        one, headers=dict(one.headers) | {"Nats-Msg-Id": "another"}
    ),
}


@pytest.mark.parametrize("forge", FORGERIES.values(), ids=FORGERIES)
async def test_a_forged_receipt_is_refused_with_an_alarm_and_never_sealed(bus, webhook, forge):
    await ZaloEventPublisher(webhook).publish(FOLLOW)
    await assert_refused(bus, forge(await stored(bus)))


async def test_the_webhook_s_part_of_the_key_seals_no_mail_that_came_back(bus, keys, webhook):
    webhook.message_seals["receipt.email"] = webhook.message_seals["receipt.zalo"]
    body = BOUNCE.model_dump_json().encode()
    await publish_sealed(webhook, "receipt.email.bounce", body, "forged")
    await assert_refused(bus, await stored(bus))


async def test_an_operator_sends_a_genuine_one_again_under_another_id(bus, webhook):
    await ZaloEventPublisher(webhook).publish(FOLLOW)
    first = await stored(bus)
    headers = await replay_headers(bus, first, "replayed.1")
    await bus.publish(first.subject, first.data, headers=headers, msg_id="replayed.1")
    assert (await stored(bus, 2)).headers[SEAL_HEADER] != first.headers[SEAL_HEADER]
    assert await require_sealed(bus, await stored(bus, 2)) == FOLLOW


async def test_a_sealed_receipt_that_can_not_be_read_is_no_forgery(bus, keys):
    await publish_sealed(bus, "receipt.email.bounce", b"{", "one")
    with structlog.testing.capture_logs() as logs, pytest.raises(ContractError):
        await require_sealed(bus, await stored(bus))
    assert logs == []
