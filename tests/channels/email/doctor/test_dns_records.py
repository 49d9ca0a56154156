"""Reading SPF and DMARC records as RFC 7208 and RFC 9989 have them read."""

from ipaddress import ip_address

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key

from channels.email.dkim_signer import DkimSigner
from channels.email.doctor import dkim, dmarc, relay, spf
from channels.email.doctor.spf import in_network, parse_term
from channels.email.relays import load_relays
from channels.email.settings import EmailSettings
from tests.support.dns_server import DnsServer

HOSTS = {
    ("a.example", "TXT"): [
        '"v=spf1 a:out.a.example/30 mx include:_spf.b.example redirect=c.example"'
    ],
    ("out.a.example", "A"): ["192.0.2.4"],
    ("a.example", "MX"): ["10 mx1.a.example.", "20 mx2.a.example."],
    ("mx2.a.example", "A"): ["198.51.100.2"],
    ("mx2.a.example", "AAAA"): ["2001:db8:2::2"],
    ("_spf.b.example", "TXT"): [
        '"v=spf1 -ip4:203.0.113.9 ip4:203.0.113.0/24 exists:%{i}.b.example -all"'
    ],
    ("c.example", "TXT"): ['"v=spf1 ip6:2001:db8:c::/48 ?all"'],
}
PERMITTED = {
    "192.0.2.6": True,
    "192.0.2.8": False,
    "198.51.100.2": True,
    "2001:db8:2::2": True,
    "203.0.113.1": True,
    "203.0.113.9": False,
    "2001:db8:c::1": True,
    "2001:db8:d::1": False,
}


@pytest.mark.parametrize(("address", "permitted"), PERMITTED.items())
async def test_an_address_may_send_if_the_first_term_that_matches_says_so(address, permitted):
    async with DnsServer(HOSTS) as server:
        dns = server.client
        assert await spf.permits(dns, "a.example", ip_address(address)) is permitted
        assert await spf.count_lookups(dns, "a.example") == 5


@pytest.mark.parametrize(
    ("word", "read"),
    [
        ("-all", ("-", "all", "", "")),
        ("a", ("", "a", "", "")),
        ("A:Mail.Example/24//64", ("", "a", "mail.example", "/24//64")),
        ("mx//48", ("", "mx", "", "//48")),
        ("ip4:192.0.2.0/24", ("", "ip4", "192.0.2.0/24", "")),
        ("?ip6:2001:db8::/32", ("?", "ip6", "2001:db8::/32", "")),
        ("redirect=_spf.example", ("", "redirect", "_spf.example", "")),
        ("exp=why.example", ("", "exp", "why.example", "")),
    ],
)
def test_a_term_is_read_in_its_parts(word, read):
    assert parse_term("a.example", word) == read


def test_an_address_lies_in_its_own_kind_of_network_only():
    four, six = ip_address("192.0.2.7"), ip_address("2001:db8::7")
    assert in_network(four, "192.0.2.0/24", "") and not in_network(six, "192.0.2.0/24", "")
    assert in_network(six, "2001:db8::1", "/24//64") and not in_network(six, "2001:db8::1", "/24")
    assert in_network(four, "192.0.2.1", "/24//64") and not in_network(four, "192.0.2.1", "//64")
    assert not in_network(four, "nonsense", "")


def dmarc_zone(**records):
    return {
        (f"_dmarc.{name.replace('_', '.')}", "TXT"): [f'"v=DMARC1; {tags}"']
        for name, tags in records.items()
    }


WALKS = [
    # domain, records → what holds there, whose it is
    ("tin.moha.vn", {"moha_vn": "p=reject; sp=quarantine"}, "quarantine", "moha.vn"),
    ("tin.moha.vn", {"tin_moha_vn": "p=none", "moha_vn": "p=reject"}, "none", "moha.vn"),
    ("moha.gov.vn", {"gov_vn": "p=reject; psd=y"}, "reject", "moha.gov.vn"),
    (
        "tin.moha.gov.vn",
        {"gov_vn": "p=none; psd=y", "moha_gov_vn": "p=reject"},
        "reject",
        "moha.gov.vn",
    ),
    ("a.b.moha.vn", {"b_moha_vn": "p=reject; psd=n", "moha_vn": "p=none"}, "reject", "b.moha.vn"),
]


@pytest.mark.parametrize(("domain", "records", "policy", "owner"), WALKS)
async def test_the_walk_up_finds_the_policy_and_whose_it_is(domain, records, policy, owner):
    async with DnsServer(dmarc_zone(**records)) as server:
        found = [record async for record in dmarc.walk_up(server.client, domain)]
        assert dmarc.effective_policy(dmarc.governing_record(domain, found), domain) == policy
        assert await dmarc.organisational_domain(server.client, domain) == owner


async def test_a_long_name_costs_eight_questions_at_most():
    domain = ".".join([*"abcdefghijkl", "moha", "vn"])
    async with DnsServer({}) as server:
        assert [one async for one in dmarc.walk_up(server.client, domain)] == []
        asked = [name for name, _ in server.asked]
    assert len(asked) == 8
    assert asked[0] == f"_dmarc.{domain}" and asked[1] == "_dmarc.h.i.j.k.l.moha.vn"


@pytest.mark.parametrize(
    ("envelope", "tags", "aligned"),
    [
        ("bounce.moha.vn", "p=reject", True),
        ("moha.vn", "p=reject", True),
        ("bounce.other.vn", "p=reject", False),
        ("bounce.moha.vn", "p=reject; aspf=s", False),
    ],
)
async def test_the_return_path_counts_for_us_only_if_it_is_ours(envelope, tags, aligned):
    zone = dmarc_zone(moha_vn=f"{tags}; rua=mailto:a@moha.vn", other_vn="p=none")
    async with DnsServer(zone) as server:
        found = {one.code async for one in dmarc.examine(server.client, "moha.vn", envelope)}
    assert found == ({"dmarc_ok"} if aligned else {"dmarc_unaligned"})


async def test_reports_may_go_to_another_organisation_that_wants_them():
    zone = dmarc_zone(moha_vn="p=reject; rua=mailto:a@reports.example,mailto:b@moha.vn!10m")
    consent = {("moha.vn._report._dmarc.reports.example", "TXT"): ['"v=DMARC1"']}
    async with DnsServer(zone | consent) as server:
        [finding] = [one async for one in dmarc.examine(server.client, "moha.vn", "moha.vn")]
    assert finding.code == "dmarc_ok"


@pytest.mark.parametrize("kind", ["rsa", "ed25519"])
async def test_the_key_we_sign_with_is_compared_with_the_published_one(kind):
    keys = {"rsa": generate_private_key(65537, 2048), "ed25519": Ed25519PrivateKey.generate()}
    own = DkimSigner("moha.vn", "loa1", keys[kind])
    text = " ".join(f'"{own.record[at : at + 200]}"' for at in range(0, len(own.record), 200))
    zone = {("loa1._domainkey.moha.vn", "TXT"): [text]}
    async with DnsServer(zone) as server, DnsServer({}) as empty:

        async def findings(of, asked):
            return [one async for one in dkim.examine(asked.client, "moha.vn", ["loa1"], of)]

        assert "dkim_own_other" not in {one.code for one in await findings(own, server)}
        other = DkimSigner("moha.vn", "loa1", Ed25519PrivateKey.generate())
        for of, asked in ((other, server), (own, empty)):
            told = (await findings(of, asked))[0]
            assert (told.code, told.values["record"]) == ("dkim_own_other", of.record)


POINTERS = {
    ("relay.moha.vn", "A"): ["198.18.0.1", "9.9.9.9", "8.8.8.8", "1.1.1.1"],
    ("9.9.9.9.in-addr.arpa", "PTR"): ["relay.moha.vn."],
    ("8.8.8.8.in-addr.arpa", "PTR"): ["other.example."],
}


async def test_only_addresses_that_others_see_need_a_name_that_leads_back():
    [settings] = load_relays(EmailSettings(host="relay.moha.vn", from_="a@moha.vn"))
    async with DnsServer(POINTERS) as server:
        findings = [one async for one in relay.reverse_dns_findings([settings], server.client)]
        found = {str(one.values["address"]): one.code for one in findings}
    wrong = {"8.8.8.8": "ptr_astray", "1.1.1.1": "ptr_missing"}
    assert found == {"9.9.9.9": "ptr_ok"} | wrong
    for host in ("127.0.0.1", "localhost"):
        local = settings.model_copy(update={"host": host})
        assert await relay.public_addresses([local], server.client) == []


async def test_a_relay_that_spf_does_not_permit_is_named():
    async with DnsServer(HOSTS) as server:
        asked = [ip_address("203.0.113.1"), ip_address("203.0.113.9")]
        [finding] = [one async for one in spf.examine(server.client, "a.example", asked)]
    assert (finding.code, finding.values["address"]) == ("spf_relay", asked[1])
