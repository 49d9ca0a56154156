"""Checks over the network: names that the settings use, and the portal as this machine sees it."""

import asyncio
import socket
import ssl
import time
from collections.abc import AsyncIterator, Iterable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from ipaddress import ip_address
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import aiohttp

from channels.email.settings import is_loopback
from consumers.channel_health.readback import describe_reason
from consumers.doctor.finding import DoctorFinding, new_finding
from contracts.base.times import format_date, utc_time
from contracts.errors import Bilingual
from producers.access import without_password

_SLOW_S = 1.0
_READ_TIMEOUT_S = 5.0
_CERTIFICATE_WARNING_DAYS = 21
_START_PAGE, _OTHER_PAGE = "index.html", "portal_other"
_MAX_BYTES = 8 << 20


class Answer(NamedTuple):
    """An HTTP answer, as far as the doctor looks at it."""

    status: int
    body: bytes
    date: datetime | None
    is_cached: bool


async def fetch(url: str) -> Answer:
    """Read *url* without a proxy. Raises aiohttp.ClientError, TimeoutError."""
    timeout = aiohttp.ClientTimeout(total=_READ_TIMEOUT_S)
    async with aiohttp.ClientSession(timeout=timeout) as http, http.get(url) as answer:
        body = await answer.content.read(_MAX_BYTES)
        date, is_cached = _parse_date(answer.headers.get("Date", "")), "Age" in answer.headers
        return Answer(answer.status, body, date, is_cached)


def _parse_date(text: str) -> datetime | None:
    try:
        return parsedate_to_datetime(text).astimezone(UTC)
    except ValueError:
        return None


def host_of(url: str) -> str:
    """The host of an address, or of `host:port`; empty for none, the text for a wrong one."""
    try:
        return urlsplit(url if "://" in url else f"//{url}").hostname or ""
    except ValueError:
        return without_password(url)


async def examine_names(names: Iterable[str]) -> AsyncIterator[DoctorFinding]:
    """Whether each host name of the settings resolves, and how fast; all at once."""
    wanted = sorted({name for name in names if name and not _is_address(name)})
    if not wanted:
        yield new_finding("dns_none")
    for finding in asyncio.as_completed([_examine_name(name) for name in wanted]):
        yield await finding


def _is_address(name: str) -> bool:
    try:
        return bool(ip_address(name))
    except ValueError:
        return is_loopback(name)


async def _examine_name(name: str) -> DoctorFinding:
    began = time.monotonic()
    try:
        found = await asyncio.get_running_loop().getaddrinfo(name, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):  # the second: no name at all, such as one with two dots
        return new_finding("dns_unknown", name=name)
    took = time.monotonic() - began
    addresses = ", ".join(sorted({str(one[4][0]) for one in found}))
    code = "dns_slow" if took > _SLOW_S else "dns_ok"
    return new_finding(code, name=name, addresses=addresses, milliseconds=round(took * 1000))


async def examine_portal(url: str, public: Path) -> AsyncIterator[DoctorFinding]:
    """Whether *url* shows this machine the pages of the folder *public*; its certificate.

    Readers come from elsewhere: a firewall or another DNS may show them something else.
    """
    if not url:
        yield new_finding("portal_no_address")
        return
    if url.startswith("https:"):
        async for finding in _examine_certificate(url):
            yield finding
    elif not is_loopback(host_of(url)):
        yield new_finding("portal_plain", url=url)
    try:
        yield await _examine_page(url, public / _START_PAGE)
    except (aiohttp.ClientError, TimeoutError) as error:
        yield new_finding("portal_unreachable", url=url, why=_reason_of(error))


async def _examine_page(url: str, page: Path) -> DoctorFinding:
    """The start page at *url*, read twice where it differs: it may just have been written."""
    address = f"{url.rstrip('/')}/"
    finding = _judge_page(url, await fetch(address), page)
    is_same = finding.code != _OTHER_PAGE
    return finding if is_same else _judge_page(url, await fetch(address), page)


def _judge_page(url: str, answer: Answer, page: Path) -> DoctorFinding:
    """The page at *url* against the file that Loa has written here."""
    if answer.status != 200:
        return new_finding("portal_status", url=url, status=answer.status)
    if not page.exists():
        return new_finding("portal_not_here", url=url)
    same = answer.body == page.read_bytes()
    return new_finding("portal_ok" if same else _OTHER_PAGE, url=url, file=page)


async def _examine_certificate(url: str) -> AsyncIterator[DoctorFinding]:
    host, port = host_of(url), urlsplit(url).port or 443
    try:
        _, writer = await asyncio.open_connection(host, port, ssl=ssl.create_default_context())
    except ssl.SSLError as error:
        yield new_finding("portal_certificate", host=host, why=error.reason or str(error))
        return
    except OSError:  # told by the request that follows
        return
    ends = ssl.cert_time_to_seconds(writer.get_extra_info("peercert")["notAfter"])
    writer.close()
    days = int((ends - time.time()) // 86400)
    code = "portal_ends" if days < _CERTIFICATE_WARNING_DAYS else "portal_tls"
    yield new_finding(code, host=host, day=format_date(utc_time(ends)), days=days)


async def find_silence(url: str) -> Bilingual | None:
    """The reason why *url* gives no HTTP answer; None for any answer."""
    try:
        await fetch(url)
    except (aiohttp.ClientError, TimeoutError) as error:
        return _reason_of(error)
    return None


def _reason_of(error: Exception) -> Bilingual:
    """In words as the status of the portal has them; of an error without any its own text."""
    name = type(error).__name__
    words = describe_reason(name)
    return describe_reason(str(error) or name) if words.en == name else words
