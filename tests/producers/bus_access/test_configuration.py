"""The configuration's files: keys stay, seeds are private, and the server takes it."""

import ssl

import pytest

from contracts.errors import Forbidden
from producers.access import Access, public_key
from producers.bus import Bus, Denied
from producers.bus_access.rights import ADMIN, identities
from producers.bus_access.unit_accounts import UnitAccount, write_units
from producers.publisher import Publisher
from producers.spool import Spool
from tests.support.bus_configuration import server_settings, write_configuration
from tests.support.events import UNIT, submitted


def files(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_second_call_keeps_every_key_and_what_an_operator_wrote(tmp_path):
    folder = write_configuration(tmp_path, ("nats",))
    (tmp_path / "server" / "nats.conf").write_text("# the operator's own\n")
    before = files(tmp_path)
    folder.write()
    assert files(tmp_path) == before
    assert folder.keys.present() == sorted(identities())


def test_only_the_owner_reads_a_seed_and_no_seed_is_in_the_configuration(tmp_path):
    folder = write_configuration(tmp_path, ("nats",))
    seeds = [folder.keys.path(identity) for identity in identities()]
    assert {path.stat().st_mode & 0o777 for path in seeds} == {0o600}
    configuration = "".join(path.read_text() for path in tmp_path.glob("server/*.conf"))
    for path in seeds:
        assert path.read_text().strip() not in configuration
        assert public_key(path) in configuration
    keys = [tmp_path / "ca" / "ca.key", tmp_path / "server" / "server.key"]
    assert {path.stat().st_mode & 0o777 for path in keys} == {0o600}


def test_a_new_key_of_one_service_leaves_the_others(tmp_path):
    folder = write_configuration(tmp_path)
    before = {identity: folder.keys.ensure(identity) for identity in identities()}
    folder.keys.replace("gateway")
    folder.write()
    after = {identity: folder.keys.ensure(identity) for identity in identities()}
    assert {name for name in before if before[name] != after[name]} == {"gateway"}
    accounts = (tmp_path / "server" / "accounts.conf").read_text()
    assert before["gateway"] not in accounts and after["gateway"] in accounts


def test_units_get_an_account_each_and_intake_their_streams(tmp_path):
    folder = write_configuration(tmp_path)
    unit_key = folder.keys.ensure("unit")
    write_units(tmp_path / "units", [UnitAccount("van-phong-bo", (unit_key,))])
    folder.write()
    accounts = (tmp_path / "server" / "accounts.conf").read_text()
    assert unit_key in accounts and '"UNIT-van-phong-bo"' in accounts
    assert accounts.count("$JS.ACK.IN_van-phong-bo.intake.>") == 2, "intake, and all in one"


async def test_a_server_with_tls_is_reached_with_its_ca_alone(tmp_path, other_server):
    folder = write_configuration(tmp_path, ("localhost", "127.0.0.1"))
    keys = {"nkey_file": folder.keys.path(ADMIN)}
    with other_server(server_settings(tmp_path)) as server:
        access = Access(ca_file=folder.ca_file, **keys)
        async with await Bus.connect(server.url, access=access, patience_s=5) as bus:
            assert await bus.connection.api_request("INFO")
            shown = bus.nc._transport._io_writer.get_extra_info("ssl_object")
            assert isinstance(shown, ssl.SSLObject)


async def test_a_refused_subject_is_told_once_and_the_connection_goes_on(
    tmp_path, other_server, capsys
):
    folder = write_configuration(tmp_path)
    with other_server(server_settings(tmp_path)) as server:
        access = Access(nkey_file=folder.keys.path("portal"))
        async with await Bus.connect(server.url, access=access, patience_s=5) as bus:
            for _ in range(2):
                with pytest.raises(Denied):  # at once: no answer would come
                    await bus.connection.request("publication.A.b", timeout_s=600)
            assert (await bus.connection.api_request("STREAM.LIST"))["total"] == 0
    told = [line for line in capsys.readouterr().out.splitlines() if "bus_denied" in line]
    assert len(told) == 1 and "publication.a.b" in told[0]


async def test_a_sender_whose_key_has_no_right_is_told_and_a_copy_is_kept(tmp_path, other_server):
    folder = write_configuration(tmp_path)
    with other_server(server_settings(tmp_path)) as server:
        access = Access(nkey_file=folder.keys.path("portal"))
        spool = Spool(tmp_path / "spool")
        async with Publisher(
            server.url, UNIT, spool.folder, patience_s=0.5, access=access
        ) as sender:
            for _ in range(2):
                with pytest.raises(Forbidden, match=r"LOA_NATS_NKEY_FILE: .*content\."):
                    await sender.publish(submitted())
                assert sender.refusal and sender.refusal.variable == "LOA_NATS_NKEY_FILE"
    assert spool.waiting() == []
    [copy] = (spool.folder / "refused").glob("*.json")
    assert spool.read(copy).unit == UNIT
    assert f"loa units bus-key {UNIT}" in copy.with_suffix(".txt").read_text()
