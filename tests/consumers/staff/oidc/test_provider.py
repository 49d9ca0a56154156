"""Answers that the provider may give, and the part of them that Loa reads."""

import asyncio
import gzip

import pytest
from aiohttp import web

from consumers.staff.oidc.errors import ProviderUnavailable
from consumers.staff.oidc.metadata import is_safe_address
from tests.support.oidc_provider import arrive, provider_double

DISCOVERY = "/.well-known/openid-configuration"


@pytest.fixture
async def provider(clock):
    async with provider_double(clock) as double:
        yield double


@pytest.fixture
def desk(provider):
    return provider.client()


async def fault(desk) -> str:
    with pytest.raises(ProviderUnavailable) as trouble:
        await desk.begin()
    return trouble.value.fault.value


METADATA = [
    ("issuer", {"issuer": "https://ke-gian.example"}),
    ("issuer", {"issuer": None}),
    ("no_pkce", {"code_challenge_methods_supported": ["plain"]}),
    ("no_pkce", {"code_challenge_methods_supported": "S256"}),
    ("endpoint", {"token_endpoint": None}),
    ("endpoint", {"token_endpoint": "http://ke-gian.example/token"}),
    ("endpoint", {"token_endpoint": 7}),
    ("endpoint", {"authorization_endpoint": "javascript:alert(1)"}),
    ("endpoint", {"jwks_uri": "file:///etc/passwd"}),
    ("endpoint", {"jwks_uri": "http://169.254.169.254/keys"}),
    ("endpoint", {"end_session_endpoint": "//ke-gian.example"}),
]


@pytest.mark.parametrize(("reason", "changes"), METADATA)
async def test_metadata_that_mislead_are_refused(desk, provider, reason, changes):
    provider.metadata = changes
    assert await fault(desk) == reason


async def test_a_provider_that_says_nothing_of_pkce_is_taken_and_gets_the_challenge(desk, provider):
    provider.metadata = {"code_challenge_methods_supported": None}
    assert "code_challenge=" in (await desk.begin()).url


def answers() -> list[tuple[str, str, web.Response]]:
    return [
        ("status", DISCOVERY, web.Response(status=500)),
        ("status", DISCOVERY, web.Response(status=302, headers={"Location": "/elsewhere"})),
        ("media_type", DISCOVERY, web.Response(text="<html>", content_type="text/html")),
        ("malformed", DISCOVERY, web.json_response(text="{")),
        ("malformed", DISCOVERY, web.json_response(["a"])),
        ("malformed", DISCOVERY, web.json_response(text="[" * 100_000)),
        ("too_large", DISCOVERY, web.json_response(text=" " * 200_000 + "{}")),
        ("malformed", DISCOVERY, packed()),
        ("no_keys", "/keys", web.json_response({"keys": []})),
        ("status", "/keys", web.Response(status=404)),
    ]


def packed() -> web.Response:
    """A bomb: it is never unpacked."""
    return web.Response(
        body=gzip.compress(b" " * 10_000_000),
        headers={"Content-Encoding": "gzip", "Content-Type": "application/json"},
    )


@pytest.mark.parametrize("number", range(len(answers())))
async def test_an_unusable_answer_is_refused_and_redirects_are_not_followed(desk, provider, number):
    reason, path, answer = answers()[number]
    provider.instead[path] = answer
    assert await fault(desk) == reason
    assert "/elsewhere" not in provider.asked


async def test_a_client_that_the_provider_refuses_is_the_operators_matter(desk, provider):
    beginning = await desk.begin()
    state = beginning.url.partition("state=")[2].partition("&")[0]
    provider.status, provider.answer = 401, {"error": "invalid_client"}
    with pytest.raises(ProviderUnavailable) as trouble:
        await arrive(desk, {"state": state, "code": "x"}, beginning.cookie)
    assert trouble.value.fault.value == "client_refused"


async def test_after_a_failure_the_provider_is_left_alone_for_seconds(desk, provider, clock):
    provider.instead[DISCOVERY] = web.Response(status=500)
    for _ in range(5):
        assert await fault(desk) == "status"
    assert provider.asked == [DISCOVERY]
    del provider.instead[DISCOVERY]
    clock.advance(5)
    assert await desk.begin()


async def test_many_at_once_ask_once(desk, provider):
    await asyncio.gather(*(desk.begin() for _ in range(20)))
    assert provider.asked == [DISCOVERY, "/keys"]


def test_only_https_and_this_machine_are_asked():
    for url in (
        "https://a.example/x",
        "http://127.0.0.1:9/x",
        "http://[::1]/",
        "http://localhost/",
    ):
        assert is_safe_address(url)
    for url in (
        "", "http://a.example", "http://10.1.2.3", "http://127.0.0.1.a.example", "https://", "//a",
        "https://a@b.example", "https://a.example/#x", "https://a.example/\n", "https://a .example",
        "ftp://a.example", "https://é.example", "https://[::1", None, 7,
    ):  # fmt: skip
        assert not is_safe_address(url)
