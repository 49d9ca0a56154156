"""Thousands of callbacks while the service is killed: each arrives, under one id, in order."""

import asyncio
import os
import signal
import sys
import time
from asyncio.subprocess import DEVNULL
from collections import Counter, defaultdict
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pytest

from channels.fetch.url_policy import UrlPolicy
from channels.fetch.webhook import WebhookClient
from consumers.callbacks.administration import EndpointAdministration
from consumers.callbacks.endpoints import EndpointCipher, EndpointStore
from consumers.callbacks.progress import MAX_WAITING
from consumers.callbacks.status_store import StatusStore
from consumers.key_file import KeyFile
from contracts.facts.content_status import ContentStatus, StatusFact, StatusKind, status_fact
from tests.support.callback_receiver import HOST, CallbackReceiver, open_receiver
from tests.support.gateway_client import UNIT
from tests.support.loa_process import LoaProcess
from tests.support.waiting import until

SCRIPT = Path(__file__).with_name("callbacks_process.py")
CALLBACKS = int(os.environ.get("LOA_TEST_CALLBACKS", "2000"))
"""10,000 of them take about five times as long."""
REVISIONS = 5
KINDS = (StatusKind.ACCEPTED, StatusKind.RELEASED)
BETWEEN_KILLS = 250
PATIENCE_S = 400


def facts_of(item: str) -> list[StatusFact]:
    return [
        status_fact(
            ContentStatus(
                unit=UNIT, kind=kind, content_id=item, revision=number, at=datetime.now(UTC)
            )
        )
        for number in range(1, REVISIONS + 1)
        for kind in KINDS
    ]


async def run_for_a_while(url: str, key: Path, receiver: CallbackReceiver, wanted: int) -> None:
    """Start the service, and kill it when some more callbacks have arrived, or all."""
    words = map(str, (SCRIPT, url, key, f"{HOST}:{receiver.port}"))
    process = await asyncio.create_subprocess_exec(sys.executable, *words, stdout=DEVNULL)
    enough = len(receiver.arrived) + BETWEEN_KILLS
    try:
        await until(
            lambda: len(receiver.arrived) >= enough or known(receiver) == wanted, PATIENCE_S
        )
    finally:
        process.send_signal(signal.SIGKILL)
        await process.wait()


def known(receiver: CallbackReceiver) -> int:
    return len({one.id for one in receiver.arrived})


@pytest.mark.promise("17.2")
async def test_each_callback_arrives_under_one_id_and_in_order_whenever_the_service_is_killed(
    bus, nats_server, tmp_path
):
    key, items = tmp_path / "vault.key", CALLBACKS // (REVISIONS * len(KINDS))
    cipher, store = EndpointCipher(KeyFile.open(key).derive), EndpointStore(bus)
    told, statuses, kills = list[StatusFact](), StatusStore(bus), 0
    async with open_receiver() as receiver:
        client = WebhookClient(UrlPolicy(frozenset({(HOST, receiver.port)})))
        admin = EndpointAdministration(store, statuses, cipher, client.check, time.time)
        added = await admin.add(UNIT, receiver.url, (), "it@example.gov.vn")
        receiver.secrets = [added.secret]
        for number in range(items):
            facts = facts_of(f"tin-{number}")
            await statuses.tell(facts)
            told += facts
        while known(receiver) < len(told):
            await run_for_a_while(nats_server.url, key, receiver, len(told))
            kills += 1
    arrived = Counter(one.id for one in receiver.arrived)
    assert arrived.keys() == {fact.id for fact in told}
    assert kills >= len(told) // BETWEEN_KILLS // 2
    assert arrived.total() - len(told) <= kills * MAX_WAITING, "a kill repeats one round at most"
    firsts = defaultdict(list)
    for one in dict.fromkeys(receiver.arrived):
        firsts[one.content_id].append((one.revision, one.kind))
    wanted = [(number, kind.value) for number in range(1, REVISIONS + 1) for kind in KINDS]
    assert len(firsts) == items and all(seen == wanted for seen in firsts.values())


def publish_with_an_endpoint(loa: LoaProcess, receiver: CallbackReceiver) -> None:
    loa.start()
    loa.add_unit(UNIT)
    loa.readers(2)
    given = ("--contact", "it@example.gov.vn", "--by", "Trần Thị Bình", "--json")
    added = loa.cli("callbacks", "add", UNIT, receiver.url, *given)
    assert added.exit_code == 0, added.err
    receiver.secrets = [added.json["secret"]]
    loa.publish("tin-moi", "portal", "email")


async def test_a_units_system_hears_of_its_item_from_the_door_to_the_last_mail(tmp_path):
    """`loa up`, an event by HTTP, a system that says 410 at the end, and the mail about it."""
    async with open_receiver() as receiver:
        loa = LoaProcess(tmp_path, CALLBACKS_ALLOW=f"{HOST}:{receiver.port}")
        try:
            await asyncio.to_thread(publish_with_an_endpoint, loa, receiver)
            await until(lambda: len(receiver.arrived) >= 4, PATIENCE_S)
            kinds = [one.kind for one in receiver.arrived]
            assert kinds == ["accepted", "released", "delivered", "delivered"]
            receiver.says(410)
            await asyncio.to_thread(loa.publish, "tin-sau", "portal")
            begun = partial(loa.logged, "letter_begun")
            await until(lambda: [one for one in begun() if one["kind"] == "staff"], PATIENCE_S)
        finally:
            await asyncio.to_thread(loa.__exit__)
