"""One endpoint whose work fails stops no other one, and its unit is mailed when it is disabled."""

import asyncio
import time
from contextlib import suppress
from datetime import UTC, datetime
from unittest.mock import AsyncMock, Mock

import pytest
from structlog.testing import capture_logs

from channels.fetch.url_policy import UrlPolicy
from channels.fetch.webhook import WebhookClient
from consumers.callbacks.administration import EndpointAdministration
from consumers.callbacks.attempt_log import AttemptLog
from consumers.callbacks.disabled_mail import DisabledMailer
from consumers.callbacks.endpoints import EndpointCipher, EndpointStore, endpoint_key
from consumers.callbacks.progress import Disabled
from consumers.callbacks.sender import CallbackSender
from consumers.callbacks.service import CallbackService
from consumers.callbacks.status_store import StatusStore
from consumers.key_file import KeyFile
from contracts.facts.content_status import ContentStatus, StatusKind, status_fact
from contracts.subscriptions.transactional import TransactionalKind
from tests.support.callback_receiver import HOST, open_receiver

UNITS = ("van-phong-bo", "vu-phap-che")
CONTACT = "it@example.gov.vn"
PATIENCE_S = 60


@pytest.fixture
async def receiver():
    async with open_receiver() as receiver:
        yield receiver


@pytest.fixture
def client(receiver):
    return WebhookClient(UrlPolicy(frozenset({(HOST, receiver.port)})))


@pytest.fixture
def admin(bus, client, tmp_path):
    cipher = EndpointCipher(KeyFile.open(tmp_path / "vault.key").derive)
    return EndpointAdministration(
        EndpointStore(bus), StatusStore(bus), cipher, client.check, time.time
    )


@pytest.fixture
async def added(admin, receiver):
    """An endpoint of each unit, by unit."""
    return {unit: (await admin.add(unit, receiver.url, (), CONTACT)).id for unit in UNITS}


async def tell_all(admin) -> None:
    for unit in UNITS:
        now = datetime.now(UTC)
        told = ContentStatus(unit=unit, kind=StatusKind.ACCEPTED, content_id=unit, at=now)
        await admin.statuses.tell([status_fact(told)])


async def change(admin, unit: str, id: str, **fields: object) -> None:
    stored = (await admin.store.require(unit, id)).endpoint
    body = stored.model_copy(update=fields).model_dump_json().encode()
    await admin.store.bucket.put(endpoint_key(unit, id), body)


def no_base64(admin, id: str):
    return change(admin, UNITS[0], id, url="abc")


def of_another_key(admin, id: str):
    return change(admin, UNITS[0], id, url="YWJj" * 20)


def no_record(admin, id: str):
    return admin.store.bucket.put(endpoint_key(UNITS[0], id), b"{}")


async def no_good_secret(admin, id: str) -> None:
    """Whose use raises what Loa does not expect."""
    stored = await admin.store.require(UNITS[0], id)
    sealed = admin.cipher.encrypt(stored.key, "whsec_a")
    secret = stored.endpoint.secrets[0].model_copy(update={"sealed": sealed})
    await change(admin, UNITS[0], id, secrets=(secret,))


@pytest.mark.parametrize(
    ("spoil", "event"),
    [
        (no_base64, "callback_secret_unreadable"),
        (of_another_key, "callback_secret_unreadable"),
        (no_record, "record_unreadable"),
        (no_good_secret, "callback_failed"),
    ],
)
async def test_an_endpoint_that_can_not_be_worked_for_stops_no_other_one(
    bus, admin, added, client, receiver, spoil, event
):
    await spoil(admin, added[UNITS[0]])
    await tell_all(admin)
    sender = CallbackSender(client, admin.cipher, time.time)
    service = CallbackService(admin.statuses, admin.store, sender, AttemptLog(bus), time.time)
    with capture_logs() as logs:
        running = asyncio.create_task(service.run())
        async with asyncio.timeout(PATIENCE_S):
            while not (receiver.arrived and event in [one["event"] for one in logs]):
                assert not running.done()
                await asyncio.sleep(0.01)
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running
    assert {one.content_id for one in receiver.arrived} == {UNITS[1]}
    assert not service.working


async def disable(admin, added) -> None:
    gone = Disabled(at=datetime.now(UTC), reason="gone")
    for unit, id in added.items():
        await admin.store.update_progress(
            unit, id, lambda one: one.model_copy(update={"disabled": gone})
        )


async def test_a_disabled_endpoint_is_mailed_about_once_and_one_that_can_not_be_stops_none(
    admin, added
):
    await disable(admin, added)
    await change(admin, UNITS[0], added[UNITS[0]], contact="abc")
    sent = Mock(send_once=AsyncMock())
    mailer = DisabledMailer(sent, admin.store, admin.cipher, time.time)
    for _ in range(2):
        await mailer.tell_all()
    [call] = sent.send_once.await_args_list
    mail = call.args[1]
    assert (mail.kind, mail.address) == (TransactionalKind.STAFF, CONTACT)
    assert HOST in mail.disabled_endpoint and "/loa" not in mail.disabled_endpoint
    told = [(await admin.store.require(*one)).progress.disabled.is_told for one in added.items()]
    assert told == [False, True]


async def test_an_endpoint_that_was_enabled_meanwhile_is_mailed_about_when_it_fails_again(
    admin, added
):
    await disable(admin, added)

    async def enable(*_) -> None:
        for one in added.items():
            await admin.enable(*one)
        await disable(admin, added)

    mailer = DisabledMailer(Mock(send_once=enable), admin.store, admin.cipher, time.time)
    await mailer.tell_all()
    for one in added.items():
        assert not (await admin.store.require(*one)).progress.disabled.is_told
