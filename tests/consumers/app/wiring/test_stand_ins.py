"""A stand-in only where the real thing is not configured; half a configuration is an error."""

from contextlib import AsyncExitStack

import pytest
import structlog

from channels.email.settings import EmailSettings
from channels.zalo.client.oauth_api import TokenPair
from channels.zalo.settings import ZaloSettings
from consumers.app import process
from consumers.app.node import Node
from consumers.app.settings import LoaSettings, read_settings
from consumers.app.wiring import stand_ins
from consumers.app.wiring import zalo as wiring_zalo
from consumers.channel_health.destinations import (
    Destination,
    load_destinations,
    publish_destination,
)
from contracts.delivery import ChannelName
from contracts.errors import Invalid

REAL = {"app_id": "1234567890", "app_secret": "s"}
EXPOSED = [
    {"http_host": "0.0.0.0"},
    {"http_host": "::"},
    {"http_host": "loa.moha.example"},
    {"public_url": "https://tin.example.gov.vn"},
]
BOTH = {"mailbox", "zalo-sandbox"}


def a_node(bus, folder, zalo, relay="", **settings):
    return Node(
        settings=LoaSettings(data_dir=folder, http_port=0, **settings),
        email=EmailSettings(_env_file=None, **relay_settings(relay)),
        zalo=ZaloSettings(_env_file=None, **zalo),
        bus=bus,
        broker=None,
        broker_watch=None,
        own_url="http://127.0.0.1:1",
        stack=AsyncExitStack(),
    )


def relay_settings(host):
    return {"host": host, "from_": "a@moha.example"} if host else {}


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


def stand_ins_of(node):
    return BOTH & set(process.services_for_up(node))


@pytest.mark.parametrize("exposed", EXPOSED)
def test_where_others_reach_loa_only_the_stand_ins_that_are_named_start(tmp_path, exposed):
    assert stand_ins_of(a_node(None, tmp_path, {}, **exposed)) == set()
    for named in ("mailbox", "zalo-sandbox", " mailbox , zalo-sandbox "):
        wanted = {name.strip() for name in named.split(",")}
        assert stand_ins_of(a_node(None, tmp_path, {}, stand_ins=named, **exposed)) == wanted


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost", "127.3.2.1"])
@pytest.mark.parametrize(
    "url", ["", "http://127.0.0.1:8080", "http://[::1]:8080/", "http://LOCALHOST"]
)
def test_on_this_machine_alone_they_start_unasked(tmp_path, host, url):
    assert stand_ins_of(a_node(None, tmp_path, {}, http_host=host, public_url=url)) == BOTH


def test_a_name_does_not_bring_a_stand_in_for_a_configured_channel(tmp_path):
    named = {"stand_ins": "mailbox,zalo-sandbox", "http_host": "0.0.0.0"}
    assert stand_ins_of(a_node(None, tmp_path, REAL, relay="smtp.example", **named)) == set()


@pytest.mark.parametrize("exposed", EXPOSED)
async def test_no_command_starts_one_unasked(tmp_path, exposed):
    node = a_node(None, tmp_path, {}, **exposed)
    for start, name in ((stand_ins.add_mailbox, "mailbox"), (stand_ins.add_zalo_sandbox, "zalo")):
        with pytest.raises(Invalid) as refused:
            await start(node)
        [error] = refused.value.errors
        assert error.field == "LOA_STAND_INS" and f"LOA_STAND_INS={name}" in error.message
        assert error.message != error.message_vi
        assert next(iter(exposed)).upper() in error.message_vi
    assert list(tmp_path.iterdir()) == [], "no folder of a stand-in, and no key"


def test_what_is_missing_is_named_by_its_variable_in_both_languages(tmp_path):
    settings = LoaSettings(data_dir=tmp_path, http_host="0.0.0.0")
    configured = EmailSettings(_env_file=None, **relay_settings("smtp.example"))
    nothing = EmailSettings(_env_file=None), ZaloSettings(_env_file=None)
    errors = stand_ins.describe_withheld(settings, *nothing)
    assert [error.field for error in errors] == ["LOA_EMAIL_HOST", "LOA_ZALO_APP_ID"]
    for error in errors:
        for text in (error.message, error.message_vi):
            assert "LOA_HTTP_HOST" in text and "LOA_STAND_INS=" in text
    rest = stand_ins.describe_withheld(settings, configured, ZaloSettings(_env_file=None, **REAL))
    assert rest == []


async def test_a_channel_without_its_stand_in_waits_and_says_why(bus, tmp_path):
    node = a_node(bus, tmp_path, {}, http_host="0.0.0.0")
    services = process.services_for_up(node)
    assert "deliver-email" in services, "its breaker says that LOA_EMAIL_HOST is missing"
    assert "deliver-zalo" not in services, "rows wait for a worker with an account"
    with structlog.testing.capture_logs() as logged:
        stand_ins.report_withheld(node, BOTH)
    said = [(line["event"], line["service"], line["variable"]) for line in logged]
    assert said == [
        ("stand_in_withheld", "mailbox", "LOA_EMAIL_HOST"),
        ("stand_in_withheld", "zalo-sandbox", "LOA_ZALO_APP_ID"),
    ]
    for publish in node.on_ready:
        await publish()
    places = await load_destinations(bus)
    assert places[ChannelName.ZALO].to == "nowhere, LOA_ZALO_APP_ID is empty"


REAL_PLACES = {
    ChannelName.EMAIL: Destination(to="the relay smtp.example:587 (tls: starttls)"),
    ChannelName.ZALO: Destination(to="Zalo, application 1234567890"),
}


async def test_no_stand_in_takes_the_place_of_a_real_destination_unasked(bus, tmp_path, capsys):
    assert await stand_ins.find_displaced(a_node(bus, tmp_path, {})) == {}, "a first start"
    for channel, place in REAL_PLACES.items():
        await publish_destination(bus, channel, place)
    for _ in range(2):  # what the first start publishes does not open the way for the next one
        node = a_node(bus, tmp_path, {})
        node.displaced = await stand_ins.find_displaced(node)
        assert set(node.displaced) == BOTH and stand_ins_of(node) == set()
        assert "deliver-zalo" not in process.services_for_up(node)
        stand_ins.report_withheld(node, stand_ins.withheld_services(node))
        said = capsys.readouterr().err
        for variable, place in (("LOA_EMAIL_HOST", "smtp.example:587"), ("LOA_ZALO_APP_ID", "12")):
            lines = [line for line in said.splitlines() if line.startswith(variable)]
            assert len(lines) == 2 and all(place in line for line in lines)
        for publish in node.on_ready:
            await publish()
    for named in ("mailbox", "zalo-sandbox"):
        node = a_node(bus, tmp_path, {}, stand_ins=named)
        node.displaced = await stand_ins.find_displaced(node)
        assert stand_ins_of(node) == {named}
    node = a_node(bus, tmp_path, REAL, relay="smtp.other")
    assert await stand_ins.find_displaced(node) == {}, "another relay is configured"


@pytest.mark.parametrize("names", ["zalo", "mailbox;zalo-sandbox", "*"])
def test_a_name_that_is_no_stand_in_is_refused(monkeypatch, names):
    monkeypatch.setenv("LOA_STAND_INS", names)
    with pytest.raises(Invalid) as refused:
        read_settings(LoaSettings)
    [error] = refused.value.errors
    assert error.field == "LOA_STAND_INS" and "zalo-sandbox" in error.message_vi
