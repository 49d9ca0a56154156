"""`loa zalo templates`: an operator gives one to each kind of notice, and hears what is wrong."""

import json

import pytest

from channels.zalo import codes
from channels.zalo.connect import Stores, open_examiner
from channels.zalo.transport import AioTransport
from consumers.app import channels
from contracts.errors import Invalid
from tests.commands import printed
from tests.conftest import Clock
from tests.notice_stage import OTP, SERVING, has, noticing
from tests.zalo_command import environment
from tests.zalo_stage import Fernet, MemoryNotebook, MemoryVault


@pytest.fixture
async def house(tmp_path, clock):
    async with noticing(tmp_path, clock) as house:
        yield house


@pytest.fixture
def look(house):
    async def look(**settings):
        account = house.stage.sandbox.settings.model_copy(update=settings)
        transport = AioTransport()
        try:
            return await open_examiner(account, house.stage.stores, transport).examine()
        finally:
            await transport.close()

    return look


async def test_the_account_s_condition_shows_every_kind_and_what_was_spent(house, look):
    house.stage.sandbox.world.tokens.expires = 1e12
    await house.send()
    await house.set_template("6", status="REJECT")
    await house.templates.remove("5")
    found = await look(money_per_day=80000)
    kinds = {one.kind: one for one in found.kinds}
    assert (kinds["2"].state, kinds["2"].price_sdt, kinds["2"].price_uid) == ("ENABLE", 800, 560)
    assert kinds["2"].status == "Được tiếp nhận"
    assert kinds["5"].template == ""
    lacks = {one.task: (one.reason, one.fix) for one in found.missing}
    assert lacks["notices 5"] == ("no template", codes.fix("route"))
    assert lacks["notices 6"] == (f"template {SERVING['6']} is REJECT", codes.fix("template"))
    assert set(found.notices) == {"today", "money today", "money this month"}
    assert found.notices["money today"].endswith("of 80000")


@pytest.fixture
def command(loa, house):
    """`loa zalo ...`, told to talk to the sandbox."""
    sandbox = house.stage.sandbox
    sandbox.clock.set(Clock.now)
    return loa.also("zalo", **environment(sandbox))


async def test_an_operator_sets_lists_syncs_and_removes_templates(command, house, tmp_path):
    pair = house.stage.sandbox.grant()
    file = tmp_path / "pair.json"
    file.write_text(json.dumps({"access_token": pair.access_token, "refresh_token": "r"}))
    assert (await command("connect", str(file))).exit_code == 0
    shown = await command("templates", "set", "2", SERVING["2"])
    assert shown.exit_code == 0, shown.output
    assert "Thông báo tiếp nhận hồ sơ" in shown.stdout
    wrong = await command("templates", "set", "2", OTP)
    assert (wrong.exit_code, "otp" in wrong.stderr) == (2, True)
    unknown = await command("templates", "set", "2", "4711")
    assert (unknown.exit_code, "template_id" in unknown.stderr) == (2, True)
    assert (await command("templates", "set", "11", SERVING["2"])).exit_code == 2
    listed = printed(await command("templates", "list", "--json"))
    assert [(one["kind"], one["template"]) for one in listed if one["template"]] == [
        ("2", SERVING["2"])
    ]
    has(house, house.stage.sandbox.world.shelf.templates[SERVING["2"]].model_copy(
        update={"status": "DISABLE"}
    ))  # fmt: skip
    synced = printed(await command("templates", "sync", "--json"))
    assert next(one for one in synced if one["kind"] == "2")["state"] == "DISABLE"
    told = await command("status")
    assert "notices 2" in told.stdout
    removed = printed(await command("templates", "remove", "2", "--json"))
    assert not any(one["template"] for one in removed)


async def test_a_command_says_what_zalo_refused(house):
    known = house.stage.stores
    stores = Stores(known.vault, MemoryNotebook(), known.key, MemoryVault())
    house.stage.sandbox.world.tokens.expires = 1e12
    with pytest.raises(Invalid) as refused:
        async with channels.templates(house.stage.sandbox.settings, stores) as registry:
            await registry.register({"2": "4711"})
    [error] = refused.value.errors
    assert error.field == "template_id"
    assert error.message != error.message_vi


async def test_without_a_grant_a_command_says_so(house):
    stores = Stores(MemoryVault(), MemoryNotebook(), Fernet.generate_key(), MemoryVault())
    with pytest.raises(Invalid):
        async with channels.templates(house.stage.sandbox.settings, stores) as registry:
            await registry.register({"2": SERVING["2"]})
