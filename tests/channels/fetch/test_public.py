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

CLOSED = """
http://127.0.0.1/a.png            this machine
http://127.0.0.1./a.png           with a dot behind
http://127.8.8.8/a.png            all of 127/8
http://2130706433/a.png           as one decimal number
http://0x7f000001/a.png           as one hexadecimal number
http://017700000001/a.png         as one octal number
http://0177.0.0.1/a.png           octal parts
http://0x7f.0x0.0x0.0x1/a.png     hexadecimal parts
http://127.1/a.png                two parts
http://127.0.1/a.png              three parts
http://①②⑦.⓪.⓪.①/a.png            digits in circles
http://127。0。0。1/a.png           ideographic full stops
http://0/a.png                    nothing
http://0.0.0.0/a.png              this network
http://10.1.2.3/a.png             private
http://172.16.0.1/a.png           private
http://172.31.255.254/a.png       private
http://192.168.1.1/a.png          private
http://100.64.0.1/a.png           behind a carrier
http://100.127.255.254/a.png      behind a carrier
http://169.254.169.254/latest/    the metadata of a cloud
http://192.0.0.8/a.png            protocols
http://192.0.2.1/a.png            documentation
http://198.51.100.7/a.png         documentation
http://203.0.113.7/a.png          documentation
http://198.18.0.1/a.png           benchmarks
http://192.88.99.1/a.png          6to4 relays
http://224.0.0.1/a.png            multicast
http://240.0.0.1/a.png            reserved
http://255.255.255.255/a.png      everybody
http://[::]/a.png                 nothing
http://[::1]/a.png                this machine
http://[::ffff:127.0.0.1]/a.png   IPv4, mapped
http://[::ffff:8.8.8.8]/a.png     IPv4, mapped, of whatever address
http://[::ffff:7f00:1]/a.png      IPv4, mapped, in hexadecimal
http://[::127.0.0.1]/a.png        IPv4, compatible
http://[64:ff9b::a00:1]/a.png     NAT64 of 10.0.0.1
http://[64:ff9b::8.8.8.8]/a.png   NAT64 of whatever address
http://[64:ff9b:1::1]/a.png       NAT64 of a network
http://[2002:7f00:1::]/a.png      6to4 of 127.0.0.1
http://[2001:0:4136:e378:8000:63bf:80ff:fffe]/a.png  Teredo
http://[2001:db8::1]/a.png        documentation
http://[3fff::1]/a.png            documentation
http://[fe80::1]/a.png            link-local
http://[fe80::1%25eth0]/a.png     link-local, with its link
http://[fec0::1]/a.png            site-local
http://[fc00::1]/a.png            private
http://[fd12:3456::1]/a.png       private
http://[ff02::1]/a.png            multicast
http://[100::1]/a.png             discarded
http://[5f00::1]/a.png            segment routing
http://[4000::1]/a.png            not handed out
http://localhost/a.png            this machine by name
http://localhost./a.png           with a dot behind
http://LOCALHOST/a.png            in capitals
http://anh.localhost/a.png        below it
http://may-chu/a.png              a name without a domain
http://may-chu./a.png             with a dot behind
http://may-in.local/a.png         a name of the next room
http://kho.internal/a.png         a cloud's inner name
http://1.0.0.127.in-addr.arpa/a   a name of the DNS itself
http://anh.bo.lan/a.png           a home's inner name
http://moha.gov.vn:8080/a.png     another port
http://moha.gov.vn:22/a.png       another service
https://moha.gov.vn:6379/a.png    another service
http://ai@moha.gov.vn/a.png       a user name
http://ai:ma@moha.gov.vn/a.png    a password
http://moha.gov.vn@127.0.0.1/a    a user name that looks like a host
http://moha.gov.vn\\@127.0.0.1/a   a backslash
http://:80/a.png                  no host
http:///a.png                     no host
ftp://moha.gov.vn/a.png           another scheme
file:///etc/passwd                a file
gopher://moha.gov.vn/a            another scheme
data:image/png;base64,AAAA        no address at all
//moha.gov.vn/a.png               no scheme
/a.png                            a path alone
"""
TABLE = [line.split(maxsplit=1) for line in CLOSED.strip().splitlines()]
OPEN = """
http://moha.gov.vn/a.png
https://moha.gov.vn/a.png
https://moha.gov.vn./a.png
http://moha.gov.vn:80/a.png
https://moha.gov.vn:443/a.png
http://8.8.8.8/a.png
http://172.32.0.1/a.png
http://100.128.0.1/a.png
http://[2606:4700::1111]/a.png
http://[2001:4860:4860::8888]/a.png
https://b%E1%BB%99.gov.vn/a.png
https://xn--b-tfw.gov.vn/a.png
"""


@pytest.mark.parametrize(("url", "why"), TABLE, ids=[why for _, why in TABLE])
async def test_nothing_inside_is_asked_however_it_is_written(url, why):
    """Not even its name is looked up."""
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
    assert parse_policy(" 10.1.2.3:8080 , [fd00::1]:80,").exceptions == {
        ("10.1.2.3", 8080),
        ("fd00::1", 80),
    }
    for wrong in ("10.1.2.3", "may-chu:80", "10.1.2.3:http", "10.1.2:80"):
        with pytest.raises(ValueError):
            parse_policy(wrong)
        with pytest.raises(ValueError, match="cover_allow"):
            ZaloSettings(cover_allow=wrong)


@pytest.mark.parametrize(
    ("url", "outside"),
    [
        ("https://thong-bao.moha.gov.vn", True),
        ("https://thong-bao.moha.gov.vn:8443/loa", True),
        ("http://127.0.0.1:8080", False),
        ("http://localhost:8080", False),
        ("http://10.0.0.5", False),
        ("http://may-chu", False),
        ("", False),
    ],
)
def test_our_own_address_is_one_that_others_reach_or_not(url, outside):
    assert is_public_url(url) is outside
