"""`loa subscribers show` and `remove`: what an operator sees of a reader, and how one is erased."""

import re
from datetime import UTC, datetime, timedelta

import pytest

from consumers.key_file import register_key
from consumers.suppression.store import SuppressionStore
from contracts.delivery import ChannelName
from tests.support.cli import json_output
from tests.support.clock import FakeClock
from tests.support.signup_app import ADDRESS, KEYS, SignupApp


@pytest.fixture
async def signup_app(bus, tmp_path):
    await register_key(bus, KEYS)
    (tmp_path / "vault.key").write_text(KEYS.secret.hex())
    return SignupApp(bus, tmp_path, FakeClock())


@pytest.fixture
def loa(loa):
    return loa.extended("subscribers")


async def test_an_operator_sees_what_is_kept_and_erases_it(signup_app, loa):
    await signup_app.subscribed(name="Nguyễn Văn An", topics=["viec-lam"], frequency="weekly")
    said = json_output(await loa("show", ADDRESS, "--json"))
    assert (said["email"], said["frequency"], said["topics"]) == (ADDRESS, "weekly", ["viec-lam"])
    assert said["consent"]["version"]
    shown = (await loa("show", ADDRESS.upper())).stdout
    assert "viec-lam" in shown
    assert "+07" in shown and re.search(r"\d\d:\d\d:\d\d(\.\d+)?Z", shown) is None
    assert said["suppressed"] is None
    await it_is_told_that_mail_leaves_the_address_alone(signup_app, loa)
    for reason in (" ", f"yêu cầu của {ADDRESS}", "x" * 201):
        refused = await loa("remove", ADDRESS, "--reason", reason, "--yes")
        assert (refused.exit_code, "reason: " in refused.stderr) == (2, True)
    unasked = await loa("remove", ADDRESS, "--reason", "written request 12/2026")
    assert (unasked.exit_code, "--yes: " in unasked.stderr) == (2, True), "what can't be undone"
    assert (await loa("show", ADDRESS)).exit_code == 0
    done = await loa("remove", ADDRESS, "--reason", "written request 12/2026", "--yes")
    assert done.exit_code == 0
    assert done.stdout.splitlines()[-2:] == ["removed", "đã xóa"]
    assert ADDRESS.encode() not in await signup_app.stored_bytes()
    for order in (
        ("show", ADDRESS),
        ("remove", ADDRESS, "--reason", "x", "--yes"),
        ("show", "sai"),
    ):
        assert (await loa(*order)).exit_code == 2


async def it_is_told_that_mail_leaves_the_address_alone(signup_app, loa):
    at = datetime(2026, 11, 20, tzinfo=UTC)
    until = at + timedelta(days=365)
    registry = SuppressionStore.from_key_file(signup_app.bus, KEYS)
    await registry.add(ChannelName.EMAIL, ADDRESS, "bounced 5.1.1", until, at=at)
    said = json_output(await loa("show", ADDRESS, "--json"))
    assert said["suppressed"]["reason"] == "bounced 5.1.1"
    told = (await loa("show", ADDRESS)).stdout
    assert "since 2026-11-20, until 2027-11-20: bounced 5.1.1" in told
    assert "loa mail suppressed lift ADDRESS --by NAME" in told
