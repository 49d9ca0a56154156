"""SPF (RFC 7208): who may send in a domain's name, and whether receivers can work that out."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import ip_network
from typing import NamedTuple

from channels.email.doctor.finding import Finding, found
from channels.email.doctor.names import Address, Names

LOOKUPS_MAX = 10
COSTLY = frozenset(("include", "a", "mx", "ptr", "exists", "redirect"))
KNOWN = COSTLY | {"all", "ip4", "ip6"}
_KIND = re.compile(r"([+?~-]?)([A-Za-z][A-Za-z0-9_.-]*)(.*)", re.S)
_BITS = re.compile(r"(?:/(\d{1,2}))?(?://(\d{1,3}))?")


class Broken(Exception):
    """Receivers can't evaluate the record (permerror)."""

    def __init__(self, code: str, **values: object) -> None:
        super().__init__(code)
        self.finding = found(code, **values)


class Term(NamedTuple):
    """`-all`, `ip4:192.0.2.0/24`, `include:_spf.example`."""

    sign: str
    kind: str
    value: str
    bits: str


@dataclass
class Spf:
    """One evaluation. Raises Silent where the DNS says nothing."""

    names: Names

    async def examine(self, domain: str, relays: list[Address]) -> Iterator[Finding]:
        """What is wrong, or one `spf_ok`; *relays*: the addresses from which our mail comes."""
        try:
            terms = await self.terms(domain)
            count = await self.lookups(domain, frozenset())
        except Broken as broken:
            return iter([broken.finding])
        if count > LOOKUPS_MAX:
            return iter([found("spf_lookups", domain=domain, count=count)])
        wrong = [*loose(domain, terms)]
        wrong += [
            found("spf_relay", domain=domain, address=relay)
            for relay in relays
            if not await self.permits(domain, relay)
        ]
        return iter(wrong or [found("spf_ok", domain=domain, count=count)])

    async def terms(self, domain: str) -> list[Term]:
        """The record's terms. Raises Broken when there is not exactly one that can be read."""
        records = [text for text in await self.names.texts(domain) if is_spf(text)]
        if len(records) != 1:
            raise Broken("spf_several" if records else "spf_missing", domain=domain)
        return [term(domain, word) for word in records[0].split()[1:]]

    async def lookups(self, domain: str, above: frozenset[str]) -> int:
        """How many questions the whole record costs. Raises Broken for one that names itself."""
        if domain in above or len(above) > LOOKUPS_MAX:
            raise Broken("spf_loop", domain=domain)
        count = 0
        for one in await self.terms(domain):
            count += one.kind in COSTLY
            if one.kind in ("include", "redirect") and "%" not in one.value:
                count += await self.lookups(one.value, above | {domain})
        return count

    async def permits(self, domain: str, address: Address) -> bool:
        """Whether *address* may send; what needs the mail itself (macros, exists) is no match."""
        onward = ""
        for one in await self.terms(domain):
            onward = one.value if one.kind == "redirect" else onward
            if await self.matches(one, domain, address):
                return one.sign in ("", "+")
        return bool(onward) and await self.permits(onward, address)

    async def matches(self, one: Term, domain: str, address: Address) -> bool:
        if one.kind == "all":
            return True
        if "%" in one.value:
            return False
        if one.kind in ("ip4", "ip6"):
            return within(address, one.value, "")
        if one.kind == "include":
            return await self.permits(one.value, address)
        hosts = {"a": [one.value or domain], "mx": []}.get(one.kind, [])
        if one.kind == "mx":
            hosts = await self.names.mails(one.value or domain)
        known = [known for host in hosts for known in await self.names.addresses(host)]
        return any(within(address, str(own), one.bits) for own in known)


def within(address: Address, network: str, bits: str) -> bool:
    """Whether *address* lies in *network*; *bits*, for hosts, is `/24`, `//64` or both."""
    sizes = _BITS.fullmatch(bits)
    size = sizes[2 if address.version == 6 else 1] if sizes else None
    try:
        return address in ip_network(f"{network}/{size}" if size else network, strict=False)
    except ValueError:
        return False


def is_spf(text: str) -> bool:
    return text.lower() == "v=spf1" or text.lower().startswith("v=spf1 ")


def term(domain: str, word: str) -> Term:
    """Read one term; modifiers that nobody knows are passed over. Raises Broken."""
    match = _KIND.fullmatch(word)
    kind, rest = (match[2].lower(), match[3].lower()) if match else ("", "")
    if kind not in KNOWN and not rest.startswith("="):
        raise Broken("spf_unreadable", domain=domain, term=word)
    value, slash, bits = rest.lstrip(":=").partition("/")
    if kind in ("ip4", "ip6"):
        value, slash, bits = value + slash + bits, "", ""
    return Term(match[1] if match else "", kind, value, slash + bits)


def loose(domain: str, terms: list[Term]) -> Iterator[Finding]:
    """What lets too many send."""
    kinds = {one.kind: one for one in terms}
    if "ptr" in kinds:
        yield found("spf_ptr", domain=domain)
    if "all" not in kinds:
        if "redirect" not in kinds:
            yield found("spf_endless", domain=domain)
    elif kinds["all"].sign in ("", "+", "?"):
        yield found("spf_open", domain=domain)
