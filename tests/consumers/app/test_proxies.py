"""Who a client is: what the nearest trusted proxy has seen, never what the client says itself."""

from unittest.mock import AsyncMock

import pytest

from consumers.app.settings import LoaSettings, read_settings
from consumers.app.web.proxies import ForwardedClient, TrustedProxies
from contracts.errors import Invalid

GATEWAY = "172.31.238.1"
OLD_DEFAULT = "172.16.0.0/12,192.168.0.0/16"


@pytest.mark.parametrize(
    ("trusted", "peer", "forwarded", "client"),
    [
        (GATEWAY, GATEWAY, "203.0.113.9", "203.0.113.9"),
        (GATEWAY, GATEWAY, "1.2.3.4, 192.168.1.7", "192.168.1.7"),
        (OLD_DEFAULT, GATEWAY, "1.2.3.4, 192.168.1.7", "192.168.1.7"),
        (OLD_DEFAULT, GATEWAY, "192.168.1.8,192.168.1.7", "192.168.1.7"),
        (GATEWAY, "192.168.1.7", "1.2.3.4", "192.168.1.7"),
        (f"{GATEWAY},10.0.0.2", GATEWAY, "203.0.113.9, 10.0.0.2", "203.0.113.9"),
        (f"{GATEWAY},103.21.244.0/22", GATEWAY, "203.0.113.9, 103.21.244.7", "203.0.113.9"),
        (f"{GATEWAY},103.21.244.0/22", GATEWAY, "x, 103.21.244.7", "103.21.244.7"),
        (f"{GATEWAY},10.0.0.2", GATEWAY, f"{GATEWAY}, 10.0.0.2", "10.0.0.2"),
        (GATEWAY, GATEWAY, "", GATEWAY),
        (GATEWAY, GATEWAY, "unknown", GATEWAY),
        (GATEWAY, GATEWAY, "1.2.3.4, unknown", GATEWAY),
        (GATEWAY, GATEWAY, "203.0.113.9:4711", "203.0.113.9"),
        (GATEWAY, GATEWAY, "[2001:db8::9]:4711", "2001:db8::9"),
        (GATEWAY, GATEWAY, "2001:db8::9", "2001:db8::9"),
        ("127.0.0.1", "::ffff:127.0.0.1", "203.0.113.9", "203.0.113.9"),
        ("*", "198.51.100.4", "1.2.3.4, 203.0.113.9", "203.0.113.9"),
        ("", GATEWAY, "203.0.113.9", GATEWAY),
    ],
)
def test_a_client_cannot_choose_its_address(trusted, peer, forwarded, client):
    assert TrustedProxies.parse(trusted).client_address(peer, forwarded) == client


@pytest.mark.parametrize("wrong", ["nginx", "10.0.0.1/8", "127.0.0.1;::1", "10.0.0.0/33"])
def test_what_names_no_proxy_is_refused_at_the_start(wrong):
    with pytest.raises(Invalid) as refused:
        read_settings(LoaSettings, trusted_proxies=wrong)
    [error] = refused.value.errors
    assert error.field == "LOA_TRUSTED_PROXIES"
    assert "địa chỉ" in error.message_vi


def test_little_is_remembered_of_a_long_chain():
    """A client writes most of the header, and results are kept by what it says."""
    app, asked = ForwardedClient(AsyncMock(), TrustedProxies.parse(GATEWAY)), []
    app.client_address = lambda peer, chain: asked.append(chain) or chain.rpartition(",")[2].strip()
    chain = b"1.2.3.4, " * 7_000 + b"203.0.113.9"
    scope = {"client": (GATEWAY, 1), "headers": [(b"x-forwarded-for", chain)]}
    app.apply(scope)
    assert scope["client"] == ("203.0.113.9", 0)
    assert len(asked[0]) <= 1024 and asked[0].startswith(" 1.2.3.4,")
