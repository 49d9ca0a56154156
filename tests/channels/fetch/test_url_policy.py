"""Which addresses a stranger may name: those of the Internet alone, however they are written."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from yarl import URL

from channels.fetch.errors import ForbiddenAddress, PermanentFetchError
from channels.fetch.fetcher import CheckedResolver, Fetcher
from channels.fetch.url_policy import UrlPolicy, is_public_address, is_public_url, parse_policy
from channels.zalo.settings import ZaloSettings
from tests.channels.fetch.test_fetcher import PNG, unreachable

CLOSED = {
    "this machine, however it is written": """
        http://127.0.0.1/a.png http://127.0.0.1./a.png http://127.8.8.8/a.png
        http://2130706433/a.png http://0x7f000001/a.png http://017700000001/a.png
        http://0177.0.0.1/a.png http://0x7f.0x0.0x0.0x1/a.png http://127.1/a.png
        http://127.0.1/a.png http://①②⑦.⓪.⓪.①/a.png http://127。0。0。1/a.png http://0/a.png
        http://0.0.0.0/a.png
    """,
    "no public IPv4: private, carriers, clouds, documentation, benchmarks, multicast": """
        http://10.1.2.3/a.png http://172.16.0.1/a.png http://172.31.255.254/a.png
        http://192.168.1.1/a.png http://100.64.0.1/a.png http://100.127.255.254/a.png
        http://169.254.169.254/latest/ http://192.0.0.8/a.png http://192.0.2.1/a.png
        http://198.51.100.7/a.png http://203.0.113.7/a.png http://198.18.0.1/a.png
        http://192.88.99.1/a.png http://224.0.0.1/a.png http://240.0.0.1/a.png
        http://255.255.255.255/a.png
    """,
    "no public IPv6: this machine, documentation, link-local, private, multicast, reserved": """
        http://[::]/a.png http://[::1]/a.png http://[2001:db8::1]/a.png http://[3fff::1]/a.png
        http://[fe80::1]/a.png http://[fe80::1%25eth0]/a.png http://[fec0::1]/a.png
        http://[fc00::1]/a.png http://[fd12:3456::1]/a.png http://[ff02::1]/a.png
        http://[100::1]/a.png http://[5f00::1]/a.png http://[4000::1]/a.png
    """,
    "IPv4 inside IPv6: mapped, compatible, NAT64, 6to4, Teredo": """
        http://[::ffff:127.0.0.1]/a.png http://[::ffff:8.8.8.8]/a.png http://[::ffff:7f00:1]/a.png
        http://[::127.0.0.1]/a.png http://[64:ff9b::a00:1]/a.png http://[64:ff9b::8.8.8.8]/a.png
        http://[64:ff9b:1::1]/a.png http://[2002:7f00:1::]/a.png
        http://[2001:0:4136:e378:8000:63bf:80ff:fffe]/a.png
    """,
    "this machine by name": """
        http://localhost/a.png http://localhost./a.png http://LOCALHOST/a.png
        http://anh.localhost/a.png
    """,
    "names of an inner network": """
        http://may-chu/a.png http://may-chu./a.png http://may-in.local/a.png
        http://kho.internal/a.png http://1.0.0.127.in-addr.arpa/a http://anh.bo.lan/a.png
    """,
    "another port": """
        http://moha.gov.vn:8080/a.png http://moha.gov.vn:22/a.png https://moha.gov.vn:6379/a.png
    """,
    "a user name, or what looks like one": """
        http://ai@moha.gov.vn/a.png http://ai:ma@moha.gov.vn/a.png http://moha.gov.vn@127.0.0.1/a
        http://moha.gov.vn\\@127.0.0.1/a
    """,
    "no address of the web": """
        http://:80/a.png http:///a.png ftp://moha.gov.vn/a.png file:///etc/passwd
        gopher://moha.gov.vn/a data:image/png;base64,AAAA //moha.gov.vn/a.png /a.png
    """,
}
OPEN = """
http://moha.gov.vn/a.png https://moha.gov.vn/a.png https://moha.gov.vn./a.png
http://moha.gov.vn:80/a.png https://moha.gov.vn:443/a.png http://8.8.8.8/a.png
http://172.32.0.1/a.png http://100.128.0.1/a.png http://[2606:4700::1111]/a.png
http://[2001:4860:4860::8888]/a.png https://b%E1%BB%99.gov.vn/a.png
https://xn--b-tfw.gov.vn/a.png
"""


@pytest.mark.parametrize("kind", CLOSED)
async def test_nothing_inside_is_asked_however_it_is_written(kind):
    """Not even its name is looked up."""
    for url in CLOSED[kind].split():
        with pytest.raises(PermanentFetchError):
            await Fetcher(lookup=unreachable).fetch(url, PNG)


@pytest.mark.parametrize("url", OPEN.split())
def test_what_stands_on_the_internet_is_open(url):
    UrlPolicy().check_url(URL(url))


PRIVATE = ["10.0.0.1", "127.0.0.1", "::1", "::ffff:10.0.0.1", "64:ff9b::a00:1", "fe80::1%eth0",
           "169.254.169.254", "100.64.0.1", "224.0.0.1", "0.0.0.0", "fd00::1", "not-an-address",
           "0177.0.0.1", "2130706433"]  # fmt: skip


@pytest.mark.parametrize("address", PRIVATE)
async def test_a_name_that_leads_inside_is_closed_whatever_else_it_says(address):
    async def lookup(host: str, port: int) -> list[str]:
        return ["8.8.8.8", address]

    with pytest.raises(ForbiddenAddress):
        await CheckedResolver(UrlPolicy(), lookup).resolve("moha.gov.vn", 80)
    with pytest.raises(PermanentFetchError, match="not a public address"):
        await Fetcher(lookup=lookup).fetch("http://moha.gov.vn/a.png", PNG)


@given(st.ip_addresses())
def test_what_is_called_public_is_public_to_the_standard_library_too(address):
    if is_public_address(str(address)):
        assert address.is_global
        assert not address.is_multicast
        assert not address.is_private


def test_exceptions_are_addresses_with_ports():
    assert parse_policy("").exceptions == frozenset()
    both = {("10.1.2.3", 8080), ("fd00::1", 80)}
    assert parse_policy(" 10.1.2.3:8080 , [fd00::1]:80,").exceptions == both
    for wrong in ("10.1.2.3", "may-chu:80", "10.1.2.3:http", "10.1.2:80"):
        with pytest.raises(ValueError):
            parse_policy(wrong)
        with pytest.raises(ValueError, match="cover_allow"):
            ZaloSettings(cover_allow=wrong)


def test_our_own_address_is_one_that_others_reach_or_not():
    outside = ["https://thong-bao.moha.gov.vn", "https://thong-bao.moha.gov.vn:8443/loa"]
    inside = ["http://127.0.0.1:8080", "http://localhost:8080", "http://10.0.0.5", "http://may", ""]
    assert all(map(is_public_url, outside)) and not any(map(is_public_url, inside))
