"""Checks of the bus and of Zalo, over connections that the command opens."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime
from pathlib import Path

from channels.errors import ChannelError
from channels.zalo.account.status import AccountStatus
from channels.zalo.settings import ZaloSettings
from consumers.doctor.cluster import examine_cluster
from consumers.doctor.finding import DoctorFinding, new_finding
from consumers.doctor.machine import compare_clock
from consumers.doctor.network import find_silence
from consumers.messages import translate, translate_os_error
from consumers.portal_replica.status import BEHIND_S, SILENT_S, ReplicaRecord, load_replicas
from consumers.runtime.presence import load_processes
from consumers.runtime.store_check import store_problem
from consumers.status.facts import has_lost_index
from consumers.zalo.account_texts import missing_texts
from contracts import subjects
from contracts.base.times import utc_time
from contracts.errors import Bilingual, ContractError
from contracts.text.moments import format_for_people
from producers.bus import Bus, BusError
from producers.bus.server_check import check_version, verify

Connect = Callable[[], AbstractAsyncContextManager[Bus | None]]
"""Connects to the bus; None where none is known, because no Loa runs."""
_STORE_LOW_PERCENT = 80
_NATS = Bilingual("the NATS server", "máy chủ NATS")


async def examine_bus(
    connect: Connect, *, is_own: bool, crashed_at: datetime | None = None, replicas: int = 1
) -> AsyncIterator[DoctorFinding]:
    """Reachable, new enough, syncing before it acknowledges, with room. *is_own*: Loa's server.

    Of a cluster also whether each stream is on as many servers as *replicas* says.
    *crashed_at*: the last sign of life of a Loa that ran here and has ended without stopping.
    """
    try:
        async with connect() as bus:
            if bus is None:
                yield _no_loa(crashed_at)
                return
            check_version(bus.server_version)
            if not is_own:  # Loa has set its own server up
                await verify(bus)
            for part in _parts(bus, replicas):
                async for finding in part:
                    yield finding
    except BusError as error:
        yield new_finding("bus_problem", why=translate_os_error(error))


def _parts(bus: Bus, replicas: int) -> Iterator[AsyncIterator[DoctorFinding]]:
    if bus.connection.is_clustered:
        yield examine_cluster(bus, replicas)
    yield _examine_store(bus)
    yield _examine_processes(bus)
    yield _examine_replicas(bus)


def judge_replica(replica: ReplicaRecord, now: float) -> DoctorFinding:
    """Whether a replica of the portal follows, by what it said last."""
    said, lag_s = {"name": replica.name, "ago": max(round(now - replica.at), 0)}, replica.lag_s
    if lag_s is None:
        return new_finding("bus_replica_begins", **said)
    is_late = lag_s >= BEHIND_S or now - replica.at >= SILENT_S
    code = "bus_replica_late" if is_late else "bus_replica_follows"
    return new_finding(code, **said, lag=round(lag_s), position=replica.seq)


def _no_loa(crashed_at: datetime | None) -> DoctorFinding:
    if crashed_at:
        return new_finding("bus_crashed", since=format_for_people(crashed_at))
    return new_finding("bus_not_running")


async def _examine_store(bus: Bus) -> AsyncIterator[DoctorFinding]:
    account = await bus.connection.api_request("INFO")
    used, most = account["storage"], account["limits"]["max_storage"]
    facts = {"version": bus.server_version, "streams": account["streams"], "used": used >> 20}
    if most > 0 and used * 100 >= most * _STORE_LOW_PERCENT:
        yield new_finding("bus_store_low", used=used >> 20, most=most >> 20)
    missing = []
    for name in (subjects.CONTENT.name, subjects.PUBLICATIONS.name):
        try:
            await bus.stream_info(name)
        except BusError:
            missing.append(name)
    if missing:
        yield new_finding("bus_not_applied", names=", ".join(missing))
    elif problem := await store_problem(bus):
        yield new_finding("bus_cannot_store", why=translate(problem))
        return
    yield new_finding("bus_ok", **facts)


async def _examine_replicas(bus: Bus) -> AsyncIterator[DoctorFinding]:
    now = time.time()
    for replica in await load_replicas(bus, now):
        yield judge_replica(replica, now)


async def _examine_processes(bus: Bus) -> AsyncIterator[DoctorFinding]:
    """The processes that say they run, their versions, and those that have fallen silent."""
    now = time.time()
    known = await load_processes(bus, now)
    running = [one for one in known if not one.is_silent(now)]
    by_version: dict[str, list[str]] = {}
    for one in running:
        by_version.setdefault(one.version, []).append(one.name)
    shown = [f"{version}: {', '.join(names)}" for version, names in sorted(by_version.items())]
    if running:
        code = "bus_processes" if len(by_version) == 1 else "bus_versions"
        yield new_finding(code, count=len(running), names="; ".join(shown))
    for one in known:
        if one.is_silent(now):
            since = format_for_people(utc_time(one.at))
            yield new_finding("bus_process_silent", name=one.name, since=since)


async def examine_folder(connect: Connect, folder: Path, code: str) -> AsyncIterator[DoctorFinding]:
    """Whether the portal's *folder* is lost; told as *code*, if a running Loa knows what it had."""
    try:
        async with connect() as bus:
            if bus is not None and await has_lost_index(bus, folder):
                yield new_finding(code, folder=folder)
    except BusError:  # told by the check of the bus
        return


async def examine_clock(connect: Connect) -> AsyncIterator[DoctorFinding]:
    """This machine's clock against the bus's server; its answers bear the time."""
    try:
        async with connect() as bus:
            if bus is None:
                return
            info = await bus.connection.api_request(f"STREAM.INFO.{subjects.CONTENT.name}")
    except BusError:  # told by the check of the bus
        return
    stamp = info.get("ts")
    theirs = datetime.fromisoformat(stamp).astimezone(UTC) if stamp else None
    yield compare_clock(datetime.now(UTC), theirs, _NATS)


async def examine_zalo(
    settings: ZaloSettings, probe: Callable[[], Awaitable[AccountStatus | None]]
) -> AsyncIterator[DoctorFinding]:
    """Zalo's hosts, then token and account as `loa zalo status` sees them."""
    if not settings.app_id:
        yield new_finding("zalo_no_app")
        return
    urls = (settings.openapi_url, settings.business_url, settings.oauth_url)
    answers = await asyncio.gather(*map(find_silence, urls))
    unreachable = {url: why for url, why in zip(urls, answers, strict=True) if why}
    for url, why in unreachable.items():
        yield new_finding("zalo_unreachable", url=url, why=why)
    if not unreachable:
        for finding in await _examine_account(probe):
            yield finding


async def _examine_account(
    probe: Callable[[], Awaitable[AccountStatus | None]],
) -> list[DoctorFinding]:
    try:
        status = await probe()
    except (ContractError, BusError, ChannelError) as error:
        return [new_finding("zalo_unread", why=str(error))]
    if status is None:
        return [new_finding("zalo_no_bus")]
    if status.missing:
        return [
            new_finding("zalo_problem", **missing_texts(one)._asdict()) for one in status.missing
        ]
    name = status.account.name if status.account else "?"
    return [new_finding("zalo_ok", name=name, until=_time(status.token_expires_at))]


def _time(at: float | None) -> datetime | str:
    return utc_time(at) if at else "?"
