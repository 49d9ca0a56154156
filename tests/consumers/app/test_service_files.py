"""Each service touches the parts of the data folder that its container sees, and no others."""

from contextlib import AsyncExitStack
from unittest.mock import MagicMock

import pytest
import yaml

from channels.email.settings import EmailSettings
from channels.zalo.settings import ZaloSettings
from consumers.app.broker import BrokerWatch
from consumers.app.node import Node
from consumers.app.services import SERVICES
from consumers.app.settings import LoaSettings
from consumers.key_file import open_key_file
from consumers.status.facts import FactsReader
from tests.support.deploy_mounts import MOUNTS
from tests.support.repository import ROOT
from tests.support.seals import write_replica_key

RELAY = {
    "host": "smtp.moha.example",
    "from_": "a@moha.example",
    "bounce_domain": "b.moha.example",
    "unsubscribe_to": "roi@b.moha.example",
}
ACCOUNT = {"app_id": "1234567890", "app_secret": "s"}
WATCHED = {
    "portal_dir": "data/portal",
    "key_file": "data/vault.key",
    "notices_key_file": "data/notices.key",
    "receipts_key_file": "data/receipts.key",
    "replica_key_file": "data/replica.key",
    "retention_file": "data/retention.toml",
    "working_days_file": "data/working_days.toml",
    "deadlines_file": "data/deadlines.toml",
    "prices_file": "data/prices.toml",
    "report_texts_file": "data/report.toml",
    "directory_path": "data/readers",
    "run_dir": "data/run",
    "records_dir": "data/records",
    "desk_dir": "data/desk",
    "spool_dir": "data/spool",
    "nats_dir": "nats/disk",
}
"""Each path of the settings, by its place in the stack."""
SEEN_ELSEWHERE = {
    *("relay-log", "relays", "data/mail", "data/zalo-sandbox", "data/roles.toml", "data/site")
}
"""Named by a variable of its own, or made by its only service."""


def watched_settings(folder, used):
    """Settings that note in *used* which path a service asks for."""

    def watch(name):
        path = getattr(LoaSettings, name).fget
        return property(lambda self: used.add(WATCHED[name]) or path(self))

    kind = type("WatchedSettings", (LoaSettings,), {name: watch(name) for name in WATCHED})
    url = "https://tin.moha.gov.vn"
    named = "mailbox,zalo-sandbox"
    return kind(data_dir=folder, http_port=0, public_url=url, stand_ins=named)


async def files_of(service, bus, folder):
    """Files that *service* asks for while it adds its parts to a process."""
    used, broker = set(), MagicMock()
    settings = watched_settings(folder, used)
    email = EmailSettings(_env_file=None, **RELAY)
    zalo = ZaloSettings(_env_file=None, **ACCOUNT)
    async with AsyncExitStack() as stack:
        own_url = "http://127.0.0.1:1"
        node = Node(settings, email, zalo, bus, broker, BrokerWatch(), own_url, stack)
        await SERVICES[service](node)
        if "vocabulary" in vars(node):
            used.add("data/vocabulary.toml")
    return used


async def test_a_container_sees_what_its_service_asks_for_and_nothing_else(
    bus, tmp_path, monkeypatch
):
    monkeypatch.setenv("LOA_BOUNCES_PORT", "0")
    (tmp_path / "data").mkdir()
    for part in ("notices.key", "receipts.key"):
        (tmp_path / "data" / part).write_text("ab" * 32)
    await open_key_file(bus, tmp_path / "data" / "vault.key")
    write_replica_key(tmp_path / "data")
    used = {name: await files_of(name, bus, tmp_path / "data") for name in SERVICES}
    seen = {name: {path for path, _ in MOUNTS[name]} - SEEN_ELSEWHERE for name in SERVICES}
    assert used == seen


async def settings_of_facts(bus):
    """The variables of Zalo that the facts of `loa status` come from."""
    used = set()

    class Watched(ZaloSettings):
        def __getattribute__(self, name):
            used.add(name)
            return super().__getattribute__(name)

    facts = FactsReader(bus, Watched(_env_file=None, **ACCOUNT))
    await facts.limits()
    await facts.webhook_silent_since()
    return {f"LOA_ZALO_{name.upper()}" for name in used & set(ZaloSettings.model_fields)}


@pytest.mark.parametrize("service", ["sweep", "admin"])
async def test_who_reads_the_facts_has_the_settings_that_they_come_from(bus, service):
    services = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]
    sender, reader = (services[name]["environment"] for name in ("deliver-zalo", service))
    wanted = await settings_of_facts(bus)
    assert {"LOA_ZALO_APP_ID", "LOA_ZALO_MONEY_PER_DAY"} <= wanted
    assert {name: reader.get(name, "missing") for name in wanted} == {n: sender[n] for n in wanted}
