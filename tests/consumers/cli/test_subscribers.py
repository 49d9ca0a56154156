"""`loa subscribers show` and `remove`: what an operator sees of a reader, and how one is erased."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from consumers.key_file import register_key
from consumers.suppression.store import SuppressionStore
from contracts.delivery import ChannelName
from tests.support.cli import InProcessCli
from tests.support.clock import FakeClock
from tests.support.signup_app import ADDRESS, KEYS, SignupApp


@pytest.fixture
async def signup_app(bus, tmp_path, monkeypatch, nats_server):
    house = SignupApp(bus, tmp_path, FakeClock())
    await register_key(bus, KEYS)
    (tmp_path / "vault.key").write_text(KEYS.secret.hex())
    monkeypatch.setenv("LOA_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("LOA_NATS_URL", nats_server.url)
    return house


loa = InProcessCli({}, ("subscribers",))


async def test_an_operator_sees_what_is_kept_and_erases_it(signup_app):
    await signup_app.subscribed(name="Nguyễn Văn An", topics=["viec-lam"], frequency="weekly")
    shown = await loa("show", ADDRESS, "--json")
    said = json.loads(next(one for one in shown.stdout.splitlines() if one.startswith("{")))
    assert (said["email"], said["frequency"], said["topics"]) == (ADDRESS, "weekly", ["viec-lam"])
    assert said["consent"]["version"]
    assert "viec-lam" in (await loa("show", ADDRESS.upper())).stdout
    assert said["suppressed"] is None
    await it_is_told_that_mail_leaves_the_address_alone(signup_app)
    for reason in (" ", f"yêu cầu của {ADDRESS}", "x" * 201):
        refused = await loa("remove", ADDRESS, "--reason", reason)
        assert (refused.exit_code, "reason: " in refused.stderr) == (2, True)
    done = await loa("remove", ADDRESS, "--reason", "written request 12/2026")
    assert done.exit_code == 0
    assert "removed" in done.stdout.splitlines()
    assert ADDRESS.encode() not in await signup_app.stored_bytes()
    for order in (("show", ADDRESS), ("remove", ADDRESS, "--reason", "x"), ("show", "sai")):
        assert (await loa(*order)).exit_code == 2


async def it_is_told_that_mail_leaves_the_address_alone(house):
    at = datetime(2026, 11, 20, tzinfo=UTC)
    until = at + timedelta(days=365)
    registry = SuppressionStore(house.bus, KEYS.derive("suppressions"))
    await registry.add(ChannelName.EMAIL, ADDRESS, "bounced 5.1.1", until, at=at)
    shown = await loa("show", ADDRESS, "--json")
    said = json.loads(next(one for one in shown.stdout.splitlines() if one.startswith("{")))
    assert said["suppressed"]["reason"] == "bounced 5.1.1"
    told = (await loa("show", ADDRESS)).stdout
    assert "since 2026-11-20, until 2027-11-20: bounced 5.1.1" in told
    assert "loa mail suppressed lift ADDRESS --by NAME" in told
