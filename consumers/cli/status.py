"""`loa status`: problems first, then the backlog in the lanes of each channel."""

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from math import inf
from pathlib import Path

import typer

from channels.zalo.settings import ZaloSettings
from consumers.app import instance
from consumers.app.channel_registry import CHANNELS
from consumers.app.settings import LoaSettings, RunningInstance, read_settings
from consumers.channel_health.breaker import BreakerState
from consumers.channel_health.breaker_store import circuit_of
from consumers.channel_health.canary.texts import canary_line
from consumers.cli import output
from consumers.cli.stores import open_anchor, open_editorial_log, open_registry
from consumers.cli.unit_keys import server_faults
from consumers.messages import field_error
from consumers.operations.capacity import filling_streams
from consumers.runtime.store_check import store_problem
from consumers.status.disks import disk_spaces
from consumers.status.facts import (
    FactsReader,
    directory_in_time_at,
    has_lost_index,
    loa_version,
    reported_by,
    unplanned_publications,
)
from consumers.status.findings import Facts, PortalReplica, find
from consumers.status.places import describe_place
from consumers.status.reader import OnBatch, StatusReader
from consumers.status.report import (
    ChannelStatus,
    LaneStatus,
    ReplicaStatus,
    Severity,
    StatusFinding,
    StatusReport,
)
from contracts.base.times import Clock
from contracts.delivery import ChannelName, Lane
from contracts.errors import Bilingual, FieldError, Unavailable
from producers.bus import Bus, NoReply
from producers.output import print_bilingual
from producers.spool import Spool

STORE_CHECK_INTERVAL_S = 30.0
"""Looks that follow each other sooner share one test message."""
_SEVERITIES = {
    Severity.ACT: ("PROBLEM", "SỰ CỐ"),
    Severity.WATCH: ("WARNING", "CHÚ Ý"),
    Severity.NOTE: ("note", "ghi chú"),
}


@output.page(
    StatusReport,
    {0: "nothing needs a person; something may be worth a look", 1: "something needs a person"},
    ("loa status", "loa status --json"),
)
def status(as_json: output.Json = False) -> None:
    """Show problems, their start, cause and remedy; then the backlog in each channel's lanes.

    A lane in which nothing waits is left out, but for --json.
    """
    settings = read_settings(LoaSettings)
    try:
        report = output.run_on_any_bus(lambda bus, own: StatusLoader(settings, bus, own).load())
    except typer.Exit:
        _print_disks(settings)  # what may keep the bus away
        raise
    if settings.units_share_password:
        output.print_errors([field_error("bus", "units_share_password")])
    output.print_answer(report, as_json, lambda: print_report(report))
    if any(finding.severity is Severity.ACT for finding in report.findings):
        raise typer.Exit(output.EXIT_NEEDS_PERSON)


@dataclass
class StatusLoader:
    """Loads the status as often as it is asked. `own`: the bus is an embedded one."""

    settings: LoaSettings
    bus: Bus
    own: bool
    on_batch: OnBatch = lambda _batch, _entry: None
    clock: Clock = time.monotonic

    def __post_init__(self) -> None:
        self.reader = StatusReader(self.bus, on_batch=self.on_batch)
        self.facts = FactsReader(self.bus, read_settings(ZaloSettings))
        self.facts.decisions.log = open_editorial_log(self.bus)
        self.store_problem, self.store_checked_at = "", -inf

    async def load(self) -> StatusReport:
        """The report with its findings. Raises BusError, and Unavailable without a stream."""
        damages = await open_anchor(self.bus).examine()
        if gone := [one.field_error for one in damages if one.is_of_missing_stream]:
            raise Unavailable(*gone)
        report = await self.reader.report(at_work=not self.own)
        report.bus = tuple(damage.field_error for damage in damages)
        running = None if self.own else instance.announced_instance(self.settings)
        report.versions = {"loa": loa_version(), "nats_server": self.bus.server_version}
        if running and running.version != loa_version():
            report.versions["running"] = running.version
        facts = await self.facts.read(report)
        report.replicas = tuple(map(replica_status, facts.replicas))
        report.unplanned = await unplanned_publications(self.bus)
        machine = await _with_machine_facts(facts, self.settings, self.bus, running)
        report.findings = find(replace(machine, store_problem=await self._check_store()))
        return report

    async def _check_store(self) -> str:
        """Why the bus stored nothing at the last test, which is repeated after a while."""
        if self.own:
            return ""
        if self.clock() - self.store_checked_at >= STORE_CHECK_INTERVAL_S:
            self.store_problem = await store_problem(self.bus)
            self.store_checked_at = self.clock()
        return self.store_problem


async def _with_machine_facts(
    facts: Facts, settings: LoaSettings, bus: Bus, running: RunningInstance | None
) -> Facts:
    """The facts of this machine: its disks, its files, and what the Loa that runs here says."""
    lost = (gone for entry in CHANNELS.values() for gone in entry.lost_files(settings))
    failing, dropped = await _reported_by(running) if running else ({}, 0)
    is_behind = "directory" in failing
    last = instance.last_run(settings)
    return replace(
        facts,
        last_sign=last.at,
        spooled=spooled_events(settings),
        crashed=last.crashed,
        lost_files=tuple(lost),
        lost_index=await _lost_index(settings, bus),
        unit_keys=tuple(await server_faults(open_registry(bus))),
        failing=failing,
        dropped_log_lines=dropped,
        filling=await filling_streams(bus),
        disks=disk_spaces(_folders(settings)),
        directory_since=directory_in_time_at(settings.directory_path) if is_behind else None,
    )


def spooled_events(settings: LoaSettings) -> int:
    """How many events wait in the spool folder; none where it is another user's."""
    with suppress(OSError):
        return len(Spool(settings.spool_dir).waiting())
    return 0


async def _lost_index(settings: LoaSettings, bus: Bus) -> str:
    """The folder of a portal without its index; with a bus elsewhere it may be elsewhere, too."""
    folder = settings.portal_dir
    is_lost = not settings.nats_url and await has_lost_index(bus, folder)
    return str(folder.absolute()) if is_lost else ""


async def _reported_by(running: RunningInstance) -> tuple[dict[str, str], int]:
    """Report of the Loa that runs on itself; one that gives no answer fails as a whole."""
    try:
        return await reported_by(running.url)
    except NoReply as silent:
        return {"http": str(silent)}, 0


def _folders(settings: LoaSettings) -> list[Path]:
    return [settings.data_dir, settings.nats_dir, settings.portal_dir]


def _print_disks(settings: LoaSettings) -> None:
    facts = Facts(now=datetime.now(UTC), disks=disk_spaces(_folders(settings)))
    for finding in find(facts):
        print_bilingual(*finding_texts(finding), err=True)


def print_report(report: StatusReport) -> None:
    output.print_field_texts(_headline(report))
    for finding in report.findings:
        print_bilingual(*finding_texts(finding))
    versions = ", ".join(f"{name} {one}" for name, one in report.versions.items() if one)
    print_bilingual(f"versions: {versions}", f"phiên bản: {versions}")
    for name, channel in report.channels.items():
        canary = canary_line(channel.canary, time.time(), at_work=report.at_work)
        places = destination_lines(channel, at_work=report.at_work)
        for line in (*places, canary):
            print_bilingual(f"{name}: {line.en}", f"{name}: {line.vi}")
    for replica in report.replicas:
        line = _replica_line(replica, time.time())
        print_bilingual(line.en, line.vi)
    _print_lanes(report)


def _headline(report: StatusReport) -> FieldError:
    """How many problems there are; without one, whether Loa runs at all."""
    counts = Counter(finding.severity for finding in report.findings)
    if needs := counts[Severity.ACT]:
        return field_error("loa", "status_needs_person", count=needs)
    if not report.at_work:
        return field_error("loa", "status_not_running", count=counts[Severity.WATCH])
    return field_error("loa", "status_well")


def _print_lanes(report: StatusReport) -> None:
    """Print publications without their recipients, then the rows of each lane."""
    unplanned = {name: count for name, count in report.unplanned.items() if count}
    for name, count in unplanned.items():
        output.print_field_texts(field_error(name, "publications_unplanned", count=count))
    columns = ("channel", "paused", "breaker", "lane", "backlog", "oldest s", "per s", "left s")
    rows = [
        (name, channel.paused, lane_breaker(name, channel, lane), lane, *lane_cells(status))
        for name, channel in report.channels.items()
        for lane, status in channel.lanes.items()
        if not is_idle(status)
    ]
    if rows:
        output.print_table(columns, rows)
    _print_idle(report, is_any_busy=bool(rows or unplanned))


def _print_idle(report: StatusReport, *, is_any_busy: bool) -> None:
    """Name paused channels that have no row in the table, and say so where nothing waits."""
    idle = (
        name
        for name, channel in report.channels.items()
        if channel.paused and all(map(is_idle, channel.lanes.values()))
    )
    if paused := ", ".join(idle):
        code = "idle_paused" if is_any_busy else "nothing_waits_paused"
        output.print_field_texts(field_error("lanes", code, channels=paused))
    elif not is_any_busy:
        output.print_field_texts(field_error("lanes", "nothing_waits"))


def _replica_line(replica: ReplicaStatus, now: float) -> Bilingual:
    """How far a replica of the portal is, and when it said so."""
    name, ago = replica.name, max(round(now - replica.said_at.timestamp()), 0)
    if replica.lag_s is None:
        en, vi = "makes its files", "đang tạo các tệp"
    else:
        lag, at = round(replica.lag_s), replica.position
        en, vi = f"{lag} s behind, at {at}", f"chậm {lag} giây, đã đến vị trí {at}"
    return Bilingual(
        f"portal replica {name}: {en}; said {ago} s ago",
        f"bản sao cổng thông tin {name}: {vi}; báo cách đây {ago} giây",
    )


def replica_status(replica: PortalReplica) -> ReplicaStatus:
    lag_s = None if replica.lag is None else replica.lag.total_seconds()
    return ReplicaStatus(
        name=replica.name, said_at=replica.since, lag_s=lag_s, position=replica.seq
    )


def is_idle(lane: LaneStatus) -> bool:
    """Whether nothing waits in *lane*, nor has just ended there."""
    return not (lane.backlog or lane.per_s)


def lane_breaker(name: ChannelName, channel: ChannelStatus, lane: Lane) -> BreakerState:
    """The state of the circuit that serves *lane*."""
    return channel.breaker_of(circuit_of(name, lane).partition(".")[2])


def finding_texts(finding: StatusFinding) -> tuple[str, str]:
    """The line of a finding in English and in Vietnamese, with its code for the documents."""
    en, vi = _SEVERITIES[finding.severity]
    todo = f"; now: {finding.remedy}" if finding.remedy else ""
    todo_vi = f"; việc cần làm: {finding.remedy_vi}" if finding.remedy else ""
    return (
        f"{en} {finding.about}: {finding.message}{todo} ({finding.code})",
        f"{vi} {finding.about}: {finding.message_vi}{todo_vi} ({finding.code})",
    )


def destination_lines(channel: ChannelStatus, *, at_work: bool = True) -> Iterator[Bilingual]:
    """The destination of a channel's output, if a worker has published it yet."""
    if not channel.goes_to:
        return
    place = describe_place(channel.goes_to)
    if not at_work:  # its addresses answer no more
        en, vi = f"went to {place.en}, while it ran", f"nơi đến khi còn chạy: {place.vi}"
        yield Bilingual(en, vi)
    else:
        inside = ": nobody outside gets anything", ": bên ngoài không nhận được gì"
        en, vi = inside if channel.stand_in else ("", "")
        yield Bilingual(f"goes to {place.en}{en}", f"nơi đến: {place.vi}{vi}")


def lane_cells(lane: LaneStatus) -> tuple[object, ...]:
    """The cells of a lane; `-` without throughput or without a running Loa."""
    left = "-" if lane.left_s is None else lane.left_s
    return lane.backlog, lane.oldest_s, lane.per_s or "-", left
