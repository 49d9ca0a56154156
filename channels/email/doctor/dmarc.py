"""DMARC (RFC 9989): policy for forged mail in our name, and the receivers of reports."""

import re
from collections.abc import AsyncIterator
from typing import NamedTuple

from channels.email.doctor.dns_client import DnsClient, parse_tags
from channels.email.doctor.finding import Finding, new_finding

_LABELS_MAX = 8
_REMOVED_TAGS = ("pct", "rf", "ri")
"""Tags that RFC 9989 has taken out."""
_POLICIES = ("none", "quarantine", "reject")
_REPORTS = re.compile(r"mailto:[^@,\s]+@([A-Za-z0-9.-]+)(?:![0-9]+[kmgt]?)?", re.I)


class DmarcRecord(NamedTuple):
    """A record and its domain."""

    domain: str
    tags: dict[str, str]


async def examine(dns: DnsClient, domain: str, envelope: str) -> AsyncIterator[Finding]:
    """Findings, or one `dmarc_ok`; *envelope*: domain of the return path. Raises DnsUnanswered."""
    records = [record async for record in walk_up(dns, domain)]
    if not records:
        several = len(await _dmarc_records(dns, domain)) > 1
        yield new_finding("dmarc_several" if several else "dmarc_missing", domain=domain)
        return
    chosen = governing_record(domain, records)
    findings = [finding async for finding in _findings(dns, domain, chosen)]
    if not await _is_aligned(dns, domain, envelope, strict=chosen.tags.get("aspf") == "s"):
        findings.append(new_finding("dmarc_unaligned", domain=domain, envelope=envelope))
    policy = effective_policy(chosen, domain)
    for finding in findings or [new_finding("dmarc_ok", domain=domain, policy=policy)]:
        yield finding


async def _findings(dns: DnsClient, domain: str, record: DmarcRecord) -> AsyncIterator[Finding]:
    policy = effective_policy(record, domain)
    if policy not in _POLICIES:
        yield new_finding("dmarc_unreadable", domain=record.domain, policy=policy or "-")
    elif policy == "none":
        yield new_finding("dmarc_none", domain=record.domain)
    if removed := [name for name in _REMOVED_TAGS if name in record.tags]:
        yield new_finding("dmarc_gone", domain=record.domain, tags=", ".join(removed))
    readers = _REPORTS.findall(record.tags.get("rua", ""))
    if not readers:
        yield new_finding("dmarc_unheard", domain=record.domain)
    for reader in readers:
        if not await _accepts_reports(dns, record.domain, reader.lower()):
            yield new_finding("dmarc_unwanted", domain=record.domain, reader=reader.lower())


def effective_policy(record: DmarcRecord, domain: str) -> str:
    """Policy for *domain*; a record of a parent domain may have another for subdomains."""
    tag = "sp" if record.domain != domain and "sp" in record.tags else "p"
    return record.tags.get(tag, "").lower()


async def _accepts_reports(dns: DnsClient, domain: str, report_domain: str) -> bool:
    """Whether *report_domain* accepts reports; another organisation has to consent."""
    if await _is_aligned(dns, domain, report_domain, strict=False):
        return True
    consent = await dns.txt_records(f"{domain}._report._dmarc.{report_domain}")
    return any(parse_tags(text).get("v") == "DMARC1" for text in consent)


async def _is_aligned(dns: DnsClient, domain: str, envelope: str, *, strict: bool) -> bool:
    """Whether a pass of SPF for *envelope* counts for mail from *domain*."""
    if strict or domain == envelope:
        return domain == envelope
    return await organisational_domain(dns, domain) == await organisational_domain(dns, envelope)


async def organisational_domain(dns: DnsClient, domain: str) -> str:
    """The organisational domain of *domain*. Raises DnsUnanswered."""
    return _organisational_domain_in(domain, [record async for record in walk_up(dns, domain)])


def _organisational_domain_in(domain: str, records: list[DmarcRecord]) -> str:
    """End of the tree walk: at psd=n, one below psd=y, else at the shortest name."""
    for record in records:
        kind = record.tags.get("psd", "u").lower()
        if kind == "n":
            return record.domain
        if kind == "y" and record.domain != domain:
            below = domain.removesuffix(f".{record.domain}").rpartition(".")[2]
            return f"{below}.{record.domain}"
    return records[-1].domain if records else domain


def governing_record(domain: str, records: list[DmarcRecord]) -> DmarcRecord:
    """The domain's own record, else its organisation's, else the public suffix's."""
    domains = (domain, _organisational_domain_in(domain, records))
    return next((record for record in records if record.domain in domains), records[-1])


async def walk_up(dns: DnsClient, domain: str) -> AsyncIterator[DmarcRecord]:
    """Records from *domain* upwards, at most eight queries."""
    labels = domain.split(".")
    parents = range(min(len(labels), _LABELS_MAX) - 1, 0, -1)
    for name in (domain, *(".".join(labels[-count:]) for count in parents)):
        records = await _dmarc_records(dns, name)
        if len(records) == 1:
            yield DmarcRecord(name, parse_tags(records[0]))


async def _dmarc_records(dns: DnsClient, domain: str) -> list[str]:
    texts = await dns.txt_records(f"_dmarc.{domain}")
    return [text for text in texts if parse_tags(text.partition(";")[0]).get("v") == "DMARC1"]
