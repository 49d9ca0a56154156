"""`loa bus`: configuration, keys, streams, and the proof that a server enforces the rights."""

import asyncio
import time

import pytest

from consumers.cli import unit_keys
from contracts.errors import Invalid
from contracts.vocabulary import DEFAULT
from producers.access import Access
from producers.bus import Bus, topology
from producers.bus_access.configuration import ConfigurationFolder
from producers.bus_access.rights import ADMIN, identities
from producers.units.registry import UnitRegistry
from tests.support.bus_configuration import server_settings
from tests.support.cli import InProcessCli, json_output
from tests.support.events import UNIT

OTHER = "vu-phap-che"
KEPT = {ADMIN, "gateway", "opinions", "zalo-webhook"}


@pytest.fixture
def folder(tmp_path):
    return ConfigurationFolder(tmp_path / "data" / "bus")


@pytest.fixture
def loa(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return InProcessCli({"LOA_DATA_DIR": str(tmp_path / "data")})


def keep_some(folder):
    """Remove keys: to try fewer identities takes less time."""
    for identity in set(identities()) - KEPT:
        folder.keys.path(identity).unlink()


def keep_none(folder):
    for identity in set(identities()) - {ADMIN}:
        folder.keys.path(identity).unlink()


def at(server, folder, identity=ADMIN):
    return {"LOA_NATS_URL": server.url, "LOA_NATS_NKEY_FILE": str(folder.keys.path(identity))}


async def test_from_nothing_to_a_bus_that_is_proven_closed(loa, folder, other_server, reported):
    assert (await loa("bus", "config")).exit_code == 0
    with other_server(server_settings(folder.folder)) as server:
        there = at(server, folder)
        assert (await loa("bus", "apply", **there)).exit_code == 0
        access = Access(nkey_file=folder.keys.path(ADMIN))
        async with await Bus.connect(server.url, access=access) as bus:
            names = await bus.connection.api_request("STREAM.NAMES")
            assert sorted(names["streams"]) == sorted(topology.stream_names())
        keep_some(folder)
        assert (await loa("bus", "verify", **there)).exit_code == 0
        assert reported == ["identities"] * len(KEPT)
        verified = await loa("bus", "verify", "--json", **there)
        assert verified.exit_code == 0, verified
        assert json_output(verified) == {"identities": sorted(KEPT), "findings": []}


async def test_verify_without_an_address_asks_for_that_of_the_bus(loa):
    refused = await loa("bus", "verify")
    assert (refused.exit_code, "LOA_NATS_URL: " in refused.stderr) == (2, True)
    assert "Zalo" not in refused.stderr


async def test_verify_names_what_is_open_closed_or_unknown(loa, folder, other_server):
    await loa("bus", "config")
    settings = server_settings(folder.folder)
    wide = settings.replace('"opinion.*.*.*"', '"opinion.*.*.*"\n          "other"')
    wide = wide.replace('"receipt.zalo.*"', '"receipt.zalo.other"')
    assert (await loa("bus", "rotate", "gateway")).exit_code == 0
    with other_server(wide) as server:
        there = at(server, folder)
        keep_some(folder)
        verified = await loa("bus", "verify", "--json", **there)
    assert verified.exit_code == 1
    found = {
        (one["identity"], one["subject"], one["problem"])
        for one in json_output(verified)["findings"]
    }
    assert found == {
        ("", "accounts.conf", "outdated"),
        ("gateway", ">", "refused"),
        ("opinions", "other", "open"),
        ("zalo-webhook", "receipt.zalo.returned", "closed"),
    }


async def test_verify_tells_of_a_server_that_asks_no_one(loa, folder, other_server):
    await loa("bus", "config")
    with other_server("jetstream { store_dir: STORE }") as server:
        there = at(server, folder)
        keep_some(folder)
        verified = await loa("bus", "verify", "--json", **there)
    assert verified.exit_code == 1
    assert {"identity": "", "subject": ">", "problem": "open"} in json_output(verified)["findings"]


async def test_revoking_a_units_keys_takes_those_for_the_bus_out_of_the_configuration(
    loa, folder, other_server
):
    await loa("bus", "config")
    with other_server(server_settings(folder.folder)) as server:
        there = at(server, folder)
        await loa("bus", "apply", **there)
        assert (await loa("units", "add", UNIT, **there)).exit_code == 0
        key = json_output(await loa("units", "bus-key", UNIT, "--json", **there))["public_key"]
        assert [one.public_keys for one in folder.units] == [(key,)]
        assert "SIGHUP" not in (await loa("bus", "apply", **there)).output
        assert (await loa("units", "revoke", UNIT, **there)).exit_code == 2, "nobody can be asked"
        revoked = await loa("units", "revoke", UNIT, "--yes", **there)
        assert (revoked.exit_code, "configuration" in revoked.output) == (0, True), revoked.output
        assert [one.public_keys for one in folder.units] == [()]
        await loa("units", "add", OTHER, **there)
        without = await loa("units", "revoke", OTHER, "--yes", **there)
        assert (without.exit_code, "configuration" in without.output) == (0, False), without.output


async def test_replicas_that_one_server_can_not_keep_are_refused_by_their_variable(
    loa, nats_server
):
    refused = await loa("bus", "apply", LOA_NATS_URL=nats_server.url, LOA_NATS_REPLICAS="3")
    assert (refused.exit_code, "LOA_NATS_REPLICAS" in refused.stderr) == (3, True)
    assert "cannot keep 3 replicas" in refused.stderr
    assert "không giữ được 3 bản sao" in refused.stderr


async def test_a_server_that_goes_by_revoked_keys_is_told_until_it_reads_its_configuration(
    loa, folder, other_server, monkeypatch
):
    await loa("bus", "config")
    with other_server(server_settings(folder.folder)) as server:
        there = at(server, folder)
        for name, value in (loa.environ | there).items():
            monkeypatch.setenv(name, value)
        await loa("bus", "apply")
        await loa("units", "add", UNIT)
        await loa("units", "bus-key", UNIT)
        admin = Access(nkey_file=folder.keys.path(ADMIN))
        async with await Bus.connect(server.url, access=admin) as bus:
            registry = UnitRegistry(bus, DEFAULT, time.time)
            await reload(server, folder, registry)
            elsewhere = {"LOA_DATA_DIR": str(folder.folder.parent.parent / "other")}
            elsewhere["LOA_VAULT_KEY_FILE"] = str(folder.folder.parent / "vault.key")
            revoked = await loa("units", "revoke", UNIT, "--yes", **elsewhere)
            assert revoked.exit_code == 0 and "loa bus apply" in revoked.output
            [unwritten] = await unit_keys.server_faults(registry)
            assert UNIT in unwritten.message and "loa bus apply" in unwritten.message
            applied = await loa("bus", "apply")
            assert "--signal reload" in applied.output
            assert [one.public_keys for one in folder.units] == [()]
            [unread] = await unit_keys.server_faults(registry)
            assert "--signal reload" in unread.message
            found = json_output(await loa("check", "--json"))["violations"]
            assert ("bus-key-served", "bus") in {(one["rule"], one["key"]) for one in found}
            keep_none(folder)
            found = json_output(await loa("bus", "verify", "--json"))["findings"]
            assert [one["problem"] for one in found] == ["outdated"]
            await reload(server, folder, registry)


async def reload(server, folder, registry):
    """Let the server read its configuration, and wait until no fault is told."""
    server.reload(server_settings(folder.folder))
    async with asyncio.timeout(20):
        while await unit_keys.server_faults(registry):
            await asyncio.sleep(0.02)


def test_a_key_goes_into_a_new_file_of_a_folder_that_is_there(tmp_path):
    taken = tmp_path / "taken.nk"
    taken.touch()
    for path, named in ((taken, taken), (tmp_path / "no" / "x.nk", tmp_path / "no")):
        with pytest.raises(Invalid) as refused:
            unit_keys.require_new_file(path)
        assert str(named) in refused.value.errors[0].message_vi
    assert [path.name for path in tmp_path.iterdir()] == ["taken.nk"]
    unit_keys.require_new_file(tmp_path / "new.nk")


async def test_only_an_identity_has_a_key(loa):
    assert (await loa("bus", "rotate", "no-service")).exit_code == 2
