"""The sandbox is no way into a network: who may give orders, and where it may call."""

import stat

import aiohttp
import pytest
from aiohttp import web

from sandbox.zalo import server
from sandbox.zalo.webhooks.allowed_addresses import AllowedAddresses

OWN = "https://tin.example.gov.vn/zalo/webhook"
INSIDE = "http://10.1.2.3:6379/"
JSON = {"Content-Type": "application/json"}
ORDER = b'{"balance": 7}'


async def order(zalo, body, path="/_sandbox/balance", **headers):
    """The status of an order, and its effect."""
    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    async with zalo.http.post(path, data=body, headers=JSON | headers) as answer:
        return answer.status


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Sec_Fetch_Site": "cross-site"},
        {"Content_Type": "text/plain"},
        {"Content_Type": "application/x-www-form-urlencoded"},
        {"Host": "evil.example:8090"},
    ],
)
async def test_a_page_of_another_site_gives_no_orders(zalo, headers):
    before = await zalo.balance()
    assert await order(zalo, ORDER, **headers) in (403, 415, 421)
    assert await zalo.balance() == before
    assert await order(zalo, ORDER) == 200
    assert await zalo.balance() == 7


@pytest.mark.parametrize("path", ["/", "/_sandbox/state", "/_sandbox/webhook"])
async def test_no_other_name_reads_the_sandbox(zalo, path):
    async with zalo.http.get(path, headers={"Host": "rebound.evil.example"}) as answer:
        assert answer.status == 421
        assert "Bộ Nội vụ" not in await answer.text()
    async with zalo.http.get(path) as answer:
        assert answer.status == 200


@pytest.mark.parametrize("address", [INSIDE, "http://169.254.169.254/", "http://evil.example/"])
async def test_the_webhook_leads_to_this_machine_only(zalo, address):
    status, answer = await zalo.post("/_sandbox/webhook", {"url": address})
    assert (status, list(answer)) == (400, ["error"])
    assert (await zalo.get("/_sandbox/webhook"))[1]["url"] == ""


async def test_an_address_that_an_older_sandbox_stored_is_not_called(zalo):
    zalo.world.record("webhook_set", url=INSIDE)
    _, answer = await zalo.post("/_sandbox/webhook/probe")
    assert answer == {"get": 0, "post": 0, "accepted": False}
    await zalo.act(await zalo.person(), "follow")
    await zalo.settle()
    [attempt] = zalo.facts("event_posted")
    assert attempt["fault"] == "AddressNotAllowed"


async def test_a_redirect_is_not_followed(zalo):
    asked = []

    async def elsewhere(request):
        asked.append(request.path)
        raise web.HTTPFound("/elsewhere")

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", elsewhere)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    await zalo.post("/_sandbox/webhook", {"url": f"http://127.0.0.1:{runner.addresses[0][1]}/hook"})
    _, answer = await zalo.post("/_sandbox/webhook/probe")
    await runner.cleanup()
    assert (answer["get"], answer["post"], asked) == (302, 302, ["/hook", "/hook"])


@pytest.mark.parametrize(
    ("address", "on_loopback", "for_others"),
    [
        ("http://127.0.0.1:1/hook", True, False),
        ("http://[::1]:8080/", True, False),
        ("http://localhost:8080/zalo/webhook", True, False),
        (OWN, True, True),
        (f"{OWN}/../../", False, False),
        (INSIDE, False, False),
        ("http://127.0.0.1@evil.example/", False, False),
        ("http://evil.example#@127.0.0.1/", False, False),
        ("http://127.0.0.1.evil.example/", False, False),
        ("http://evil.example\\@127.0.0.1/", False, False),
        ("http://[", False, False),
        ("http:///path", False, False),
    ],
)
def test_an_open_sandbox_calls_loas_webhook_alone(address, on_loopback, for_others):
    assert AllowedAddresses({OWN}, loopback=True).allow(address) is on_loopback
    assert AllowedAddresses({OWN}, loopback=False).allow(address) is for_others


async def test_a_sandbox_that_others_reach_does_not_look_around_on_its_machine(tmp_path):
    sandbox = await server.start("0.0.0.0", 0, tmp_path)
    url = sandbox.url.replace("0.0.0.0", "127.0.0.1")
    async with aiohttp.ClientSession(url) as http:
        async with http.post("/_sandbox/webhook", json={"url": f"{url}/"}) as answer:
            assert answer.status == 400
        sandbox.trust_webhook(OWN)
        async with http.post("/_sandbox/webhook", json={"url": OWN}) as answer:
            assert answer.status == 200
    await sandbox.close()


async def test_the_secret_is_random_private_and_stays_with_its_folder(tmp_path):
    secrets = []
    for folder in ("one", "two", "one"):
        sandbox = await server.start("127.0.0.1", 0, tmp_path / folder)
        assert sandbox.settings.oa_secret.get_secret_value() == sandbox.oa_secret
        secrets.append(sandbox.oa_secret)
        await sandbox.close()
    assert secrets[0] == secrets[2] != secrets[1]
    assert min(map(len, secrets)) >= 32
    mode = (tmp_path / "one" / "oa-secret").stat().st_mode
    assert stat.S_IMODE(mode) == 0o600
