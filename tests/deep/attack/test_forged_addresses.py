"""Addresses that others name never lead inside: however written, redirected to, or looked up."""

from collections import Counter
from datetime import UTC, datetime

import pytest

from channels.base import Canary, Verdict
from channels.fetch import url_policy
from channels.fetch.errors import FetchError, PermanentFetchError
from channels.fetch.fetcher import ConditionalFetcher, Fetcher
from channels.fetch.url_policy import UrlPolicy, is_public_url
from channels.portal.canary import read_back
from channels.portal.model.site import CANARY_PATH
from consumers.staff.oidc.errors import ProviderUnavailable
from consumers.staff.oidc.metadata import parse_metadata
from sandbox.zalo.webhooks.allowed_addresses import AllowedAddresses
from tests.support.forged_addresses import FORGED_HOSTS, INSIDE, careless_lookup, hidden_hosts
from tests.support.picture_server import HOST, open_picture_server

LEAST = 60
PNG = frozenset({"image/png"})
ISSUER = "https://dinh-danh.example.gov.vn"
ENDPOINTS = ("authorization_endpoint", "token_endpoint", "jwks_uri", "end_session_endpoint")
SECRET = "/bi-mat"


@pytest.fixture
async def inside(monkeypatch):
    """A service of this machine; its port is as good as 80, so that a lapse would reach it."""
    async with open_picture_server() as server:
        server.serve(SECRET, b"noi bo")
        monkeypatch.setattr(url_policy, "PORTS", (80, 443, server.port))
        yield server


@pytest.fixture
async def outside():
    """A server in place of one on the Internet."""
    async with open_picture_server() as server:
        yield server


async def lookup(host, port):
    return [careless_lookup(host)]


def forged_urls(port):
    return [
        f"{scheme}://{host}:{port}{SECRET}" for scheme in ("http", "https") for host in FORGED_HOSTS
    ]


def fetchers(policy=None):
    yield lambda url: Fetcher(policy, lookup=lookup).fetch(url, PNG)
    yield lambda url: ConditionalFetcher(policy, lookup=lookup).fetch_if_changed(url)


async def test_no_form_of_an_inner_address_is_fetched(inside):
    """By covers of items, and by feeds: no other part of Loa fetches what strangers name."""
    urls, reasons = forged_urls(inside.port), Counter()
    for fetch in fetchers():
        for url in urls:
            with pytest.raises(PermanentFetchError) as refused:
                await fetch(url)
            reasons[refused.value.fetch_reason] += 1
    assert not inside.request_counts, (inside.request_counts, reasons)
    assert len(urls) >= LEAST


async def test_no_redirect_leads_to_one(inside, outside):
    """The step before is harmless, and the redirect keeps the method or not."""
    urls, policy = forged_urls(inside.port), outside.gate()
    for number, url in enumerate(urls):
        target = "".join(sign for sign in url if sign.isprintable())
        outside.move("/a.png", target, (301, 302, 303, 307, 308)[number % 5])
        for fetch in fetchers(policy):
            with pytest.raises(FetchError):
                await fetch(outside.url("/a.png"))
    assert not inside.request_counts
    assert outside.request_counts["/a.png"] == 2 * len(urls)


@pytest.mark.parametrize("answers", [[["127.0.0.2"]], [[HOST, "127.0.0.2"]], [["127.0.0.2", HOST]]])
async def test_a_name_that_is_public_first_and_private_then(outside, monkeypatch, answers):
    monkeypatch.setattr(url_policy, "PORTS", (80, 443, outside.port))
    outside.serve("/a.png", b"anh")
    said = [[HOST], *answers]

    async def changing(host, port):
        return said.pop(0)

    fetcher = Fetcher(outside.gate(), lookup=changing)
    url = f"http://anh.example.gov.vn:{outside.port}/a.png"
    assert await fetcher.fetch(url, PNG) == b"anh"
    with pytest.raises(PermanentFetchError):
        await fetcher.fetch(url, PNG)
    assert outside.request_counts["/a.png"] == 1


def metadata(name, address):
    known = {one: f"{ISSUER}/{one}" for one in ENDPOINTS}
    return {"issuer": ISSUER, **known, name: address}


@pytest.mark.parametrize("name", ENDPOINTS)
def test_no_provider_leads_to_a_service_of_this_machine(name):
    """Addresses in its discovery document: http nowhere, https not to this machine."""
    assert parse_metadata(metadata("issuer", ISSUER), ISSUER)
    forms = [form for form in FORGED_HOSTS if "moha" not in form]
    on_this_machine = ("127.0.0.1", "localhost", "[::1]", "127.9.9.9:8443")
    closed = [f"http://{form}/keys" for form in forms]
    for address in (*closed, *(f"https://{host}/keys" for host in on_this_machine)):
        with pytest.raises(ProviderUnavailable):
            parse_metadata(metadata(name, address), ISSUER)


def test_the_sandbox_s_webhook_leads_to_no_network():
    own = "https://tin.example.gov.vn/zalo/webhook"
    forms = [form for one in INSIDE[1:5] for form in hidden_hosts(one) if "#" not in form]
    for loopback in (True, False):
        allowed = AllowedAddresses({own}, loopback)
        assert allowed.allow(own)
        assert not [form for form in forms if allowed.allow(f"http://{form}/")]
    assert not [
        host for host in FORGED_HOSTS if AllowedAddresses({own}, False).allow(f"http://{host}/")
    ]


def test_no_inner_address_counts_as_one_that_others_reach():
    forms = [form for one in INSIDE for form in hidden_hosts(one)]
    assert not [form for form in forms if is_public_url(f"http://{form}/") and "moha" not in form]


async def test_the_public_address_leads_loa_nowhere_else(inside, outside):
    """A proxy's redirect is an answer: the canary reads its own file or none."""
    outside.move(CANARY_PATH, inside.url(SECRET))
    canary = Canary(number=1, at=datetime(2027, 1, 15, tzinfo=UTC), target=outside.url(""))
    outcome = await read_back(canary, b"<feed/>")
    assert (outcome.verdict, outcome.reason) == (Verdict.HELD, "public address: HTTP 302")
    assert not inside.request_counts


def test_an_exception_opens_one_port_of_one_address():
    policy = UrlPolicy(frozenset({("10.0.0.1", 8080)}))
    policy.check_address("10.0.0.1", 8080)
    for address, port in (("10.0.0.1", 80), ("10.0.0.2", 8080), ("::ffff:10.0.0.1", 8080)):
        with pytest.raises(url_policy.ForbiddenAddress):
            policy.check_address(address, port)
