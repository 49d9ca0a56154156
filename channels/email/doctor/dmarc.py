"""DMARC (RFC 9989): what receivers do with mail in our name that is not ours, and who is told."""

import re
from collections.abc import AsyncIterator
from typing import NamedTuple

from channels.email.doctor.finding import Finding, found
from channels.email.doctor.names import Names
from channels.email.doctor.tags import tags

LABELS_MAX = 8
GONE = ("pct", "rf", "ri")
"""Tags that RFC 9989 has taken out."""
POLICIES = ("none", "quarantine", "reject")
_REPORTS = re.compile(r"mailto:[^@,\s]+@([A-Za-z0-9.-]+)(?:![0-9]+[kmgt]?)?", re.I)


class Record(NamedTuple):
    """A record, and the domain at which it lies."""

    domain: str
    tags: dict[str, str]


async def examine(names: Names, domain: str, envelope: str) -> AsyncIterator[Finding]:
    """What is wrong, or one `dmarc_ok`; *envelope*: the return path's domain. Raises Silent."""
    records = [record async for record in walk(names, domain)]
    if not records:
        several = len(await texts(names, domain)) > 1
        yield found("dmarc_several" if several else "dmarc_missing", domain=domain)
        return
    chosen = governing(domain, records)
    wrong = [finding async for finding in faults(names, domain, chosen)]
    if not await aligned(names, domain, envelope, strict=chosen.tags.get("aspf") == "s"):
        wrong.append(found("dmarc_unaligned", domain=domain, envelope=envelope))
    for finding in wrong or [found("dmarc_ok", domain=domain, policy=policy(chosen, domain))]:
        yield finding


async def faults(names: Names, domain: str, record: Record) -> AsyncIterator[Finding]:
    said = policy(record, domain)
    if said not in POLICIES:
        yield found("dmarc_unreadable", domain=record.domain, policy=said or "-")
    elif said == "none":
        yield found("dmarc_none", domain=record.domain)
    if gone := [name for name in GONE if name in record.tags]:
        yield found("dmarc_gone", domain=record.domain, tags=", ".join(gone))
    readers = _REPORTS.findall(record.tags.get("rua", ""))
    if not readers:
        yield found("dmarc_unheard", domain=record.domain)
    for reader in readers:
        if not await may_report(names, record.domain, reader.lower()):
            yield found("dmarc_unwanted", domain=record.domain, reader=reader.lower())


def policy(record: Record, domain: str) -> str:
    """What holds for *domain*: a record above it may have other rules for what is below."""
    above = record.domain != domain
    said = record.tags.get("sp") if above and "sp" in record.tags else record.tags.get("p", "")
    return str(said).lower()


async def may_report(names: Names, domain: str, reader: str) -> bool:
    """Reports go to another organisation only if that one says that it wants them."""
    if await organisation(names, domain) == await organisation(names, reader):
        return True
    consent = await names.texts(f"{domain}._report._dmarc.{reader}")
    return any(tags(text).get("v") == "DMARC1" for text in consent)


async def aligned(names: Names, domain: str, envelope: str, *, strict: bool) -> bool:
    """Whether a pass of SPF for *envelope* counts for mail from *domain*."""
    if strict or domain == envelope:
        return domain == envelope
    return await organisation(names, domain) == await organisation(names, envelope)


async def organisation(names: Names, domain: str) -> str:
    """The organisational domain of *domain*. Raises Silent."""
    return owner(domain, [record async for record in walk(names, domain)])


def owner(domain: str, records: list[Record]) -> str:
    """Where the walk up the tree ends: at psd=n, one below psd=y, else at the shortest name."""
    for record in records:
        kind = record.tags.get("psd", "u").lower()
        if kind == "n":
            return record.domain
        if kind == "y" and record.domain != domain:
            below = domain.removesuffix(f".{record.domain}").rpartition(".")[2]
            return f"{below}.{record.domain}"
    return records[-1].domain if records else domain


def governing(domain: str, records: list[Record]) -> Record:
    """The domain's own record, else its organisation's, else the public suffix's."""
    own = (domain, owner(domain, records))
    return next((one for one in records if one.domain in own), records[-1])


async def walk(names: Names, domain: str) -> AsyncIterator[Record]:
    """The records from *domain* upwards, at most eight questions."""
    labels = domain.split(".")
    steps = [labels, *(labels[start:] for start in range(1, len(labels)))]
    if len(labels) > LABELS_MAX:
        steps = [labels, *(labels[-count:] for count in range(LABELS_MAX - 1, 0, -1))]
    for step in steps:
        at = ".".join(step)
        records = await texts(names, at)
        if len(records) == 1:
            yield Record(at, tags(records[0]))


async def texts(names: Names, domain: str) -> list[str]:
    found = await names.texts(f"_dmarc.{domain}")
    return [text for text in found if tags(text.partition(";")[0]).get("v") == "DMARC1"]
