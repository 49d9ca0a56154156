"""A stand-in only where the real thing is not configured; half a configuration is an error."""

from contextlib import AsyncExitStack

import pytest

from channels.email.settings import EmailSettings
from channels.zalo.client.oauth_api import TokenPair
from channels.zalo.settings import ZaloSettings
from consumers.app import process
from consumers.app.node import Node
from consumers.app.settings import LoaSettings
from consumers.app.wiring import stand_ins
from consumers.app.wiring import zalo as wiring_zalo
from contracts.errors import Invalid

REAL = {"app_id": "1234567890", "app_secret": "s"}


def a_node(bus, folder, zalo):
    settings = LoaSettings(data_dir=folder, http_port=0)
    return Node(
        settings=settings,
        email=EmailSettings(_env_file=None),
        zalo=ZaloSettings(_env_file=None, **zalo),
        bus=bus,
        broker=None,
        broker_watch=None,
        own_url="http://127.0.0.1:1",
        stack=AsyncExitStack(),
    )


@pytest.mark.parametrize(
    ("zalo", "stands_in"), [({}, True), ({"app_secret": "s"}, True), (REAL, False)]
)
def test_the_sandbox_answers_only_where_no_app_is_configured(tmp_path, zalo, stands_in):
    services = process.services_for_up(a_node(None, tmp_path, zalo))
    assert ("zalo-sandbox" in services) is stands_in
    assert "mailbox" in services
    assert "deliver-zalo" in services


@pytest.mark.parametrize(
    ("zalo", "missing"),
    [({"app_id": "1234567890"}, "LOA_ZALO_APP_SECRET"), ({}, "LOA_ZALO_APP_ID")],
)
def test_an_app_that_is_configured_by_half_is_named_in_both_languages(tmp_path, zalo, missing):
    node = a_node(None, tmp_path, zalo)
    with pytest.raises(Invalid) as refused:
        wiring_zalo.open_zalo_channel(node)
    [error] = refused.value.errors
    assert (error.field, error.message != error.message_vi) == (missing, True)
    if zalo:
        with pytest.raises(Invalid):
            process.services_for_up(node)


@pytest.mark.parametrize("app_id", ["a.b", "*", "a b", "số"])
def test_an_app_id_is_one_word(app_id):
    with pytest.raises(ValueError, match="app_id"):
        ZaloSettings(_env_file=None, app_id=app_id)


async def test_trying_loa_out_leaves_the_real_grant_alone(bus, tmp_path):
    real = ZaloSettings(_env_file=None, **REAL)
    node = a_node(bus, tmp_path, {})
    stores = wiring_zalo.zalo_stores(bus, node.keys, real.app_id)
    pair = TokenPair("real-access", "real-refresh", 90000)
    await wiring_zalo.store_token_pair(real, stores, pair)
    before = await stores.token_grants.get("zalo.grant.1234567890")
    async with node.stack:
        await stand_ins.add_zalo_sandbox(node)
        sandbox = wiring_zalo.zalo_stores(bus, node.keys, node.zalo.app_id)
        assert await sandbox.token_grants.get(f"zalo.grant.{node.zalo.app_id}")
    assert await stores.token_grants.get("zalo.grant.1234567890") == before
