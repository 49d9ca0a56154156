"""`loa subscribers show` and `remove`: what an operator sees of a reader, and how one is erased."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from consumers.suppressions import Suppressions
from consumers.vault import claim
from contracts.delivery import ChannelName
from tests.commands import Loa
from tests.conftest import Clock
from tests.reader_house import ADDRESS, KEYS, House


@pytest.fixture
async def house(bus, tmp_path, monkeypatch, nats_server):
    house = House(bus, tmp_path, Clock())
    await claim(bus, KEYS)
    (tmp_path / "vault.key").write_text(KEYS.secret.hex())
    monkeypatch.setenv("LOA_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("LOA_NATS_URL", nats_server.url)
    return house


loa = Loa({}, ("subscribers",))


async def test_an_operator_sees_what_is_kept_and_erases_it(house):
    await house.joined(name="Nguyễn Văn An", topics=["viec-lam"], frequency="weekly")
    shown = await loa("show", ADDRESS, "--json")
    said = json.loads(next(one for one in shown.stdout.splitlines() if one.startswith("{")))
    assert (said["email"], said["frequency"], said["topics"]) == (ADDRESS, "weekly", ["viec-lam"])
    assert said["consent"]["version"]
    assert "viec-lam" in (await loa("show", ADDRESS.upper())).stdout
    assert said["suppressed"] is None
    await it_is_told_that_mail_leaves_the_address_alone(house)
    for reason in (" ", f"yêu cầu của {ADDRESS}", "x" * 201):
        refused = await loa("remove", ADDRESS, "--reason", reason)
        assert (refused.exit_code, "reason: " in refused.stderr) == (2, True)
    done = await loa("remove", ADDRESS, "--reason", "written request 12/2026")
    assert done.exit_code == 0
    assert "removed" in done.stdout.splitlines()
    assert ADDRESS.encode() not in await house.everything()
    for order in (("show", ADDRESS), ("remove", ADDRESS, "--reason", "x"), ("show", "sai")):
        assert (await loa(*order)).exit_code == 2


async def it_is_told_that_mail_leaves_the_address_alone(house):
    at = datetime(2026, 11, 20, tzinfo=UTC)
    until = at + timedelta(days=365)
    registry = Suppressions(house.bus, KEYS.derive("suppressions"))
    await registry.add(ChannelName.EMAIL, ADDRESS, "bounced 5.1.1", until, at=at)
    shown = await loa("show", ADDRESS, "--json")
    said = json.loads(next(one for one in shown.stdout.splitlines() if one.startswith("{")))
    assert said["suppressed"]["reason"] == "bounced 5.1.1"
    told = (await loa("show", ADDRESS)).stdout
    assert "since 2026-11-20, until 2027-11-20: bounced 5.1.1" in told
    assert "loa mail suppressed lift ADDRESS --by NAME" in told
