"""`loa zalo templates`: an operator gives one to each kind of notice, and hears what is wrong."""

import json

import pytest

from channels.zalo import error_codes
from channels.zalo.client.transport import AiohttpTransport
from channels.zalo.factory import ChannelParts
from tests.support.cli import json_output
from tests.support.clock import FakeClock
from tests.support.zalo_cli import environment
from tests.support.zalo_notices import OTP, SERVING


@pytest.fixture
def examine(zalo_notices):
    async def look(**settings):
        account = zalo_notices.account.sandbox.settings.model_copy(update=settings)
        transport = AiohttpTransport()
        try:
            parts = ChannelParts(account, zalo_notices.account.stores, transport)
            return await parts.account_probe().run()
        finally:
            await transport.close()

    return look


async def test_the_account_s_condition_shows_every_kind_and_what_was_spent(zalo_notices, examine):
    zalo_notices.account.sandbox.world.tokens.expires = 1e12
    await zalo_notices.send()
    await zalo_notices.set_template("6", status="REJECT")
    await zalo_notices.templates.remove("5")
    found = await examine(money_per_day=80000)
    kinds = {one.kind: one for one in found.kinds}
    assert (kinds["2"].state, kinds["2"].price_sdt, kinds["2"].price_uid) == ("ENABLE", 800, 560)
    assert kinds["2"].status == "Được tiếp nhận"
    assert kinds["5"].template == ""
    lacks = {one.task: (one.reason, one.fix) for one in found.missing}
    assert lacks["notices 5"] == ("no template", error_codes.operator_fix("route"))
    assert lacks["notices 6"] == (
        f"template {SERVING['6']} is REJECT",
        error_codes.operator_fix("template"),
    )
    assert set(found.notices) == {"today", "money today", "money this month"}
    assert found.notices["money today"].endswith("of 80000")


@pytest.fixture
def command(loa, zalo_notices):
    """`loa zalo ...`, told to talk to the sandbox."""
    sandbox = zalo_notices.account.sandbox
    sandbox.clock.set(FakeClock.now)
    return loa.extended("zalo", **environment(sandbox))


async def test_an_operator_sets_lists_syncs_and_removes_templates(
    command, zalo_notices, tmp_path, reported
):
    pair = zalo_notices.account.sandbox.grant()
    file = tmp_path / "pair.json"
    file.write_text(json.dumps({"access_token": pair.access_token, "refresh_token": "r"}))
    without_grant = await command("templates", "set", "2", SERVING["2"])
    assert (without_grant.exit_code, "zalo: " in without_grant.stderr) == (2, True)
    assert (await command("connect", str(file))).exit_code == 0
    shown = await command("templates", "set", "2", SERVING["2"])
    assert shown.exit_code == 0, shown.output
    assert "Thông báo tiếp nhận hồ sơ" in shown.stdout
    wrong = await command("templates", "set", "2", OTP)
    assert (wrong.exit_code, "otp" in wrong.stderr) == (2, True)
    unknown = await command("templates", "set", "2", "4711")
    english, vietnamese = unknown.stderr.splitlines()
    assert unknown.exit_code == 2 and english != vietnamese
    assert english.startswith("template_id: ") and vietnamese.startswith("template_id: ")
    assert (await command("templates", "set", "11", SERVING["2"])).exit_code == 2
    listed = json_output(await command("templates", "list", "--json"))
    served = {one["kind"]: one["template"] for one in listed if one["template"]}
    assert served == {"2": SERVING["2"]}
    world = zalo_notices.account.sandbox.world
    disabled = world.templates.templates[SERVING["2"]].model_copy(update={"status": "DISABLE"})
    world.record("template_set", template=disabled.model_dump(mode="json"))
    reported.clear()
    await command("templates", "sync")
    assert reported == ["templates"]
    synced = json_output(await command("templates", "sync", "--json"))
    assert next(one for one in synced if one["kind"] == "2")["state"] == "DISABLE"
    told = await command("status")
    assert "notices 2" in told.stdout
    removed = json_output(await command("templates", "remove", "2", "--json"))
    assert not any(one["template"] for one in removed)
