"""SPF (RFC 7208): senders that a domain permits, and whether receivers can evaluate that."""

import re
from collections.abc import AsyncIterator, Iterator
from ipaddress import ip_network
from typing import NamedTuple

from channels.email.doctor.dns_client import Address, DnsClient
from channels.email.doctor.finding import Finding, new_finding

_LOOKUPS_MAX = 10
_LOOKUP_TERMS = frozenset(("include", "a", "mx", "ptr", "exists", "redirect"))
_KNOWN_TERMS = _LOOKUP_TERMS | {"all", "ip4", "ip6"}
_SPF = re.compile(r"v=spf1(?: |\Z)", re.I)
_KIND = re.compile(r"([+?~-]?)([A-Za-z][A-Za-z0-9_.-]*)(.*)", re.S)
_BITS = re.compile(r"(?:/(\d{1,2}))?(?://(\d{1,3}))?")


class _SpfPermError(Exception):
    """A record that receivers can't evaluate (permerror)."""

    def __init__(self, code: str, **values: object) -> None:
        super().__init__(code)
        self.finding = new_finding(code, **values)


class SpfTerm(NamedTuple):
    """`-all`, `ip4:192.0.2.0/24`, `include:_spf.example`."""

    sign: str
    kind: str
    value: str
    prefix: str


async def examine(dns: DnsClient, domain: str, relays: list[Address]) -> AsyncIterator[Finding]:
    """Findings, or one `spf_ok`; *relays*: addresses that send our mail. Raises DnsUnanswered."""
    try:
        terms = await _terms(dns, domain)
        count = await count_lookups(dns, domain)
    except _SpfPermError as broken:
        yield broken.finding
        return
    if count > _LOOKUPS_MAX:
        yield new_finding("spf_lookups", domain=domain, count=count)
        return
    wrong = [*_permissive_findings(domain, terms)]
    refused = [relay for relay in relays if not await permits(dns, domain, relay)]
    wrong += [new_finding("spf_relay", domain=domain, address=relay) for relay in refused]
    for finding in wrong or [new_finding("spf_ok", domain=domain, count=count)]:
        yield finding


async def _terms(dns: DnsClient, domain: str) -> list[SpfTerm]:
    """Terms of the only record. Raises _SpfPermError."""
    records = [text for text in await dns.txt_records(domain) if _SPF.match(text)]
    if len(records) != 1:
        raise _SpfPermError("spf_several" if records else "spf_missing", domain=domain)
    return [parse_term(domain, word) for word in records[0].split()[1:]]


async def count_lookups(dns: DnsClient, domain: str, above: frozenset[str] = frozenset()) -> int:
    """Number of look-ups of the whole record. Raises _SpfPermError for a loop."""
    if domain in above or len(above) > _LOOKUPS_MAX:
        raise _SpfPermError("spf_loop", domain=domain)
    count = 0
    for term in await _terms(dns, domain):
        count += term.kind in _LOOKUP_TERMS
        if term.kind in ("include", "redirect") and "%" not in term.value:
            count += await count_lookups(dns, term.value, above | {domain})
    return count


async def permits(dns: DnsClient, domain: str, address: Address) -> bool:
    """Whether *address* may send; terms that need the mail (macros, exists) never match."""
    onward = ""
    for term in await _terms(dns, domain):
        onward = term.value if term.kind == "redirect" else onward
        if await _matches(dns, term, domain, address):
            return term.sign in ("", "+")
    return bool(onward) and await permits(dns, onward, address)


async def _matches(dns: DnsClient, term: SpfTerm, domain: str, address: Address) -> bool:
    if term.kind == "all" or "%" in term.value:
        return term.kind == "all"
    if term.kind in ("ip4", "ip6"):
        return in_network(address, term.value, "")
    if term.kind == "include":
        return await permits(dns, term.value, address)
    hosts = [term.value or domain] if term.kind in ("a", "mx") else []
    if term.kind == "mx":
        hosts = await dns.mail_hosts(*hosts)
    addresses = [each for host in hosts for each in await dns.addresses(host)]
    return any(in_network(address, str(each), term.prefix) for each in addresses)


def in_network(address: Address, network: str, prefix: str) -> bool:
    """Whether *address* is in *network*; *prefix*, for hosts: `/24`, `//64` or both."""
    sizes = _BITS.fullmatch(prefix)
    size = sizes[2 if address.version == 6 else 1] if sizes else None
    try:
        return address in ip_network(f"{network}/{size}" if size else network, strict=False)
    except ValueError:
        return False


def parse_term(domain: str, word: str) -> SpfTerm:
    """Parse one term; unknown modifiers are ignored. Raises _SpfPermError."""
    match = _KIND.fullmatch(word)
    kind, rest = (match[2].lower(), match[3].lower()) if match else ("", "")
    if kind not in _KNOWN_TERMS and not rest.startswith("="):
        raise _SpfPermError("spf_unreadable", domain=domain, term=word)
    value, slash, bits = rest.lstrip(":=").partition("/")
    if kind in ("ip4", "ip6"):
        value, slash, bits = value + slash + bits, "", ""
    return SpfTerm(match[1] if match else "", kind, value, slash + bits)


def _permissive_findings(domain: str, terms: list[SpfTerm]) -> Iterator[Finding]:
    """Findings of terms that permit too many senders."""
    kinds = {term.kind: term for term in terms}
    if "ptr" in kinds:
        yield new_finding("spf_ptr", domain=domain)
    if "all" not in kinds:
        if "redirect" not in kinds:
            yield new_finding("spf_endless", domain=domain)
    elif kinds["all"].sign in ("", "+", "?"):
        yield new_finding("spf_open", domain=domain)
