"""Problems and warnings, as a pure function of gathered facts. Texts: status.toml."""

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property

from channels.email.relays import RELAYS_FILE
from channels.portal.errors import INDEX_LOST
from consumers.callbacks.late import LATE_AFTER
from consumers.channel_health.breaker import BreakerState, remedy
from consumers.channel_health.canary.status import CHANNEL_SAID, NONE_SENT, CanaryStatus
from consumers.channel_health.pauses import describe_reason
from consumers.channel_health.trouble import reason_now
from consumers.key_file import KEY_FILE_FIELD
from consumers.messages import load_catalog, translate
from consumers.portal_replica.status import BEHIND_S, SILENT_S
from consumers.status.places import describe_place
from consumers.status.report import (
    ChannelStatus,
    CircuitStatus,
    RelayStatus,
    Severity,
    StatusFinding,
    StuckDelivery,
)
from consumers.status.zalo_limits import LimitUse
from consumers.zalo.wait_causes import WaitCause, explain_wait
from contracts.delivery import ChannelName, PlanKey
from contracts.editorial import Status
from contracts.editorial.moves import name_of
from contracts.errors import Bilingual, FieldError, localized, printable

_BREAKER_ACT_AFTER = timedelta(minutes=5)
_HELD_ACT_AFTER = timedelta(hours=1)
_DEADLINE_NEAR = timedelta(hours=1)
_DRAFT_OLD = timedelta(days=1)
_FACTS_LATE = timedelta(minutes=10)
_REPLICA_SILENT, _REPLICA_BEHIND = timedelta(seconds=SILENT_S), timedelta(seconds=BEHIND_S)
_CALLBACK_LATE = timedelta(hours=1)
_CONSENT_SHORT = timedelta(days=7)
_UNSERVED_S, _UNSERVED_ACT_S = 60.0, 600.0
_MAX_NAMED = 5
_LIMIT_LOW_PERCENT = 80
_STREAM_FULL_PERCENT = 95
_DISK_FULL_PERCENT, _DISK_LOW_PERCENT = 2, 10
_DISK_FULL_BYTES, _DISK_LOW_BYTES = 1 << 30, 10 << 30
_PLACE_MAX = 300
_DISK_NOTHING_BYTES = 1 << 20
_LOCAL = {
    ChannelName.EMAIL: ("LOA_EMAIL_HOST", "mailbox"),
    ChannelName.ZALO: ("LOA_ZALO_APP_ID", "zalo-sandbox"),
}
"""The variable of each channel's destination, and the stand-in where it is empty."""
_FOLDERS = re.compile(r"(?<!\S)/\S*/(?=[^/\s])")
"""The folders of a path, which would leave no room for the reason."""
_DIRECTORY, _SERVER = "directory", "nats"
_CRASHED, _NOT_RUNNING = "crashed", "not_running"
_STOPPED = frozenset((_CRASHED, _NOT_RUNNING))


@dataclass(frozen=True, slots=True)
class DiskSpace:
    """Free and all bytes of the disk with *folder*."""

    folder: str
    free: int
    total: int

    def is_below(self, percent: int, most_bytes: int) -> bool:
        """Whether less is free than *percent*, and, on a large disk, than *most_bytes*."""
        return self.free * 100 < self.total * percent and self.free < most_bytes


@dataclass(frozen=True, slots=True)
class WaitingDraft:
    """A draft at the desk. `deadline`: its `not_before` or `expires_at`, whichever comes first.

    `status`: whom it waits for.
    """

    key: str
    since: datetime
    is_urgent: bool = False
    deadline: datetime | None = None
    status: Status = Status.PENDING_APPROVAL


@dataclass(frozen=True, slots=True)
class DeadLetters:
    """Open dead letters, and when the first of them died."""

    count: int = 0
    since: datetime | None = None


@dataclass(frozen=True, slots=True)
class UnknownSends:
    """The rows of `loa zalo unknown`: how many, and when the first of them ended so."""

    count: int = 0
    since: datetime | None = None


@dataclass(frozen=True, slots=True)
class StaleFeed:
    """A unit's feed that can't be read, and when it last was; `name`: `<unit>.<feed_id>`."""

    name: str
    since: datetime | None = None


@dataclass(frozen=True, slots=True)
class FailingEndpoint:
    """A unit's endpoint that callbacks do not reach; `name`: `<unit>.<id>`.

    `since`: when the oldest fact that waits first failed, or the endpoint was disabled. `is_late`:
    Loa does not call it, although facts are due since then.
    """

    name: str
    since: datetime
    is_disabled: bool = False
    is_late: bool = False


@dataclass(frozen=True, slots=True)
class PortalReplica:
    """A replica of the portal, as it said at `since`; `lag`: how much older its files are.

    `is_other`: it writes other files than the portal, by its settings or its version. `seq`: up to
    where it has followed the ledger.
    """

    name: str
    since: datetime
    lag: timedelta | None = None
    is_other: bool = False
    seq: int = 0


@dataclass(frozen=True)
class Facts:
    """Everything that findings come from; an empty fact was not gathered, or is well.

    `failing`: checks of `/readyz` by name. `filling`: streams in percent of their limit.
    `store_problem`: why the bus took no test message. `unreadable`: the record that keeps all facts
    of the bus old. `restored`: the restore whose doubts are active. `lost_index`: the portal's
    folder, without the index that it had. `servers_away`: of the bus's cluster. `services`: the
    processes that run each, 0 where all fell silent; none where no process says that it runs.
    `spooled`: events that wait in the spool folder for a Loa. `unread_since`: the oldest message of
    which facts for reports say nothing yet. `untold_since`: the oldest one of which units are not
    told yet.
    Not `at_work`: `last_sign` of the Loa that ran here, and whether it ended without stopping.
    """

    now: datetime
    channels: Mapping[ChannelName, ChannelStatus] = field(default_factory=dict)
    at_work: bool = True
    last_sign: datetime | None = None
    crashed: bool = False
    store_problem: str = ""
    unreadable: str = ""
    damages: tuple[FieldError, ...] = ()
    clock: FieldError | None = None
    lost_files: tuple[FieldError, ...] = ()
    lost_index: str = ""
    unit_keys: tuple[FieldError, ...] = ()
    failing: Mapping[str, str] = field(default_factory=dict)
    filling: Mapping[str, int] = field(default_factory=dict)
    disks: tuple[DiskSpace, ...] = ()
    directory_since: datetime | None = None
    limits: tuple[LimitUse, ...] = ()
    dead: DeadLetters = DeadLetters()
    drafts: tuple[WaitingDraft, ...] = ()
    unknown_sends: UnknownSends = UnknownSends()
    consent_ends: datetime | None = None
    stale_feeds: tuple[StaleFeed, ...] = ()
    failing_endpoints: tuple[FailingEndpoint, ...] = ()
    unread_since: datetime | None = None
    untold_since: datetime | None = None
    replicas: tuple[PortalReplica, ...] = ()
    servers_away: tuple[str, ...] = ()
    services: Mapping[str, int] = field(default_factory=dict)
    restored: datetime | None = None
    versions: Mapping[str, str] = field(default_factory=dict)
    webhook_silent_since: datetime | None = None
    dropped_log_lines: int = 0
    spooled: int = 0

    @cached_property
    def findings(self) -> "tuple[StatusFinding, ...]":
        """The findings of these facts, found once."""
        return find(self)


def find(facts: Facts) -> tuple[StatusFinding, ...]:
    """Every finding of *facts*: a Loa that does not run, then what needs a person.

    Equals keep the order of the rules.
    """
    found = [finding for rule in _RULES for finding in rule(facts)]
    order = list(Severity)
    found.sort(key=lambda one: (one.code not in _STOPPED, order.index(one.severity)))
    return tuple(found)


def _finding(
    severity: Severity, code: str, about: str, times: "_Times | None" = None, **values: object
) -> StatusFinding:
    """A finding with the texts of *code*; its times are values of the texts, too."""
    texts, at = load_catalog("status")[code], times or _Times()
    values |= {"about": about, "since": at.since or "?", "until": at.until or "?"}
    said = localized(about, texts, **values)
    todo = localized(about, {"en": texts.get("do_en", ""), "vi": texts.get("do_vi", "")}, **values)
    return StatusFinding(
        severity=severity,
        code=code,
        about=about,
        since=at.since,
        until=at.until,
        message=said.message,
        message_vi=said.message_vi,
        remedy=todo.message,
        remedy_vi=todo.message_vi,
    )


def _item_of(plan: str) -> str:
    """The item's id, as commands take it, in the key of a plan."""
    return PlanKey.parse(plan).content_id


def _with_remedy(finding: StatusFinding, todo: Bilingual) -> StatusFinding:
    return finding.model_copy(update={"remedy": todo.en, "remedy_vi": todo.vi})


@dataclass(frozen=True, slots=True)
class _Times:
    since: datetime | None = None
    until: datetime | None = None


def _as_said(code: str, error: FieldError, since: datetime | None = None) -> StatusFinding:
    """A finding whose text is there, with its remedy."""
    texts = {"message": error.message, "message_vi": error.message_vi}
    return StatusFinding(severity=Severity.ACT, code=code, about=error.field, since=since, **texts)


# --- the bus, its disk, the processes


def _key(facts: Facts) -> Iterator[StatusFinding]:
    """A wrong key file, before all that it makes look damaged."""
    for damage in facts.damages:
        if damage.field == KEY_FILE_FIELD:
            yield _as_said("key_wrong", damage)


def _unreadable(facts: Facts) -> Iterator[StatusFinding]:
    if facts.unreadable:
        yield _finding(Severity.ACT, "facts_unreadable", "bus", what=facts.unreadable)


def _bus(facts: Facts) -> Iterator[StatusFinding]:
    if facts.store_problem:
        why = translate(facts.store_problem)
        yield _finding(Severity.ACT, "bus_cannot_store", "bus", why=why)
    for name, problem in facts.failing.items():
        if name == _DIRECTORY:
            times = _Times(facts.directory_since)
            yield _finding(Severity.ACT, "directory_behind", name, times)
        else:
            code = "bus_ill" if name == _SERVER else "check_failing"
            yield _finding(Severity.ACT, code, name, why=_FOLDERS.sub("…/", problem))
    for damage in facts.damages:
        if damage.field != KEY_FILE_FIELD:
            yield _as_said("bus_damaged", damage)
    if facts.clock:
        yield _as_said("retention_held", facts.clock)


def _servers(facts: Facts) -> Iterator[StatusFinding]:
    for server in facts.servers_away:
        yield _finding(Severity.WATCH, "server_away", f"nats.{server}")


def _disks(facts: Facts) -> Iterator[StatusFinding]:
    for disk in facts.disks:
        is_full = disk.is_below(_DISK_FULL_PERCENT, _DISK_FULL_BYTES)
        values = {"free": disk.free >> 20, "total": disk.total >> 20}
        if is_full or disk.free < _DISK_NOTHING_BYTES:
            yield _finding(Severity.ACT, "disk_full", disk.folder, None, **values)
        elif disk.is_below(_DISK_LOW_PERCENT, _DISK_LOW_BYTES):
            yield _finding(Severity.WATCH, "disk_low", disk.folder, None, **values)


def _log(facts: Facts) -> Iterator[StatusFinding]:
    if facts.dropped_log_lines:
        yield _finding(Severity.WATCH, "log_dropped", "log", count=facts.dropped_log_lines)


def _streams(facts: Facts) -> Iterator[StatusFinding]:
    for name, percent in facts.filling.items():
        is_full = percent >= _STREAM_FULL_PERCENT
        severity = Severity.ACT if is_full else Severity.WATCH
        yield _finding(severity, "stream_filling", name, percent=percent)


def _restored(facts: Facts) -> Iterator[StatusFinding]:
    if facts.restored:
        times = _Times(facts.restored)
        yield _finding(Severity.WATCH, "restore_doubt", "restore", times)


def _process(facts: Facts) -> Iterator[StatusFinding]:
    if not facts.at_work:
        yield _not_running(facts)
    if facts.spooled:
        said = _finding(Severity.WATCH, "spool_waits", "spool", count=facts.spooled)
        yield _with_remedy(said, _phrase("fix_spool_at_work")) if facts.at_work else said
    own, running = (facts.versions.get(name, "") for name in ("loa", "running"))
    if running and running != own:
        yield _finding(Severity.WATCH, "version_differs", "loa", own=own, running=running)


def _not_running(facts: Facts) -> StatusFinding:
    """A Loa that was killed, or that is stopped while deliveries wait, needs a person."""
    lanes = (lane for channel in facts.channels.values() for lane in channel.lanes.values())
    rows, times = sum(lane.backlog for lane in lanes), _Times(facts.last_sign)
    severity = Severity.ACT if facts.crashed or rows else Severity.WATCH
    waiting = _phrase("waiting", rows=rows) if rows else Bilingual("", "")
    if facts.crashed:
        return _finding(severity, _CRASHED, "loa", times, waiting=waiting)
    stopped = _phrase("stopped_at", at=facts.last_sign) if facts.last_sign else Bilingual("", "")
    return _finding(severity, _NOT_RUNNING, "loa", times, stopped=stopped, waiting=waiting)


# --- channels


def _lost_files(facts: Facts) -> Iterator[StatusFinding]:
    for error in facts.lost_files:
        yield _as_said("files_lost", error)
    portal = facts.channels.get(ChannelName.PORTAL)
    if facts.lost_index and not (portal and portal.breaker_reason == INDEX_LOST):
        yield _finding(Severity.ACT, "index_lost", ChannelName.PORTAL, folder=facts.lost_index)


def _unit_keys(facts: Facts) -> Iterator[StatusFinding]:
    for error in facts.unit_keys:
        yield _as_said("bus_key_served", error)


def _channels(facts: Facts) -> Iterator[StatusFinding]:
    for name, channel in facts.channels.items():
        if channel.former:
            yield _destination_lost(name, channel)
        yield from _failures(name, channel, facts.now)
        if channel.unseen:
            yield _as_said("pages_unseen", channel.unseen.field_error, channel.unseen.since)
        for plan in channel.stopped:
            yield _finding(Severity.ACT, "mail_stopped", name, item=_item_of(plan))
        for item in channel.refused:
            times, why = _Times(item.since, item.next_at), translate(item.reason)
            code = "mail_refused" if item.alone else "mails_refused"
            yield _finding(Severity.ACT, code, name, times, item=_item_of(item.plan), reason=why)
        lacks_worker = _lacks_worker(name, channel, facts)
        yield from _unserved(name, channel) if lacks_worker else _stuck(name, channel, facts)
        if channel.canary.state == "late" and (facts.at_work or _has_answered(channel.canary)):
            yield _late_canary(name, channel)
        yield from _relays_out(name, channel, facts.now)
        yield from _slower(name, channel)


def _lacks_worker(name: ChannelName, channel: ChannelStatus, facts: Facts) -> bool:
    """Whether processes say that they run, and none of them serves a channel that may send."""
    is_held = channel.paused or channel.former or not facts.at_work
    has_worker = facts.services.get(f"deliver-{name}", 0) > 0
    return any(facts.services.values()) and not has_worker and not is_held


def _unserved(name: ChannelName, channel: ChannelStatus) -> Iterator[StatusFinding]:
    """Rows that may go, which no worker takes; a worker that restarts is given a minute."""
    ready = [lane for lane in channel.lanes.values() if lane.ready]
    waits_s = max((lane.ready_s for lane in ready), default=0.0)
    if waits_s >= _UNSERVED_S:
        severity = Severity.ACT if waits_s >= _UNSERVED_ACT_S else Severity.WATCH
        facts = {"rows": sum(lane.ready for lane in ready), "minutes": int(waits_s // 60)}
        yield _finding(severity, "no_worker", name, None, **facts)


def _has_answered(canary: CanaryStatus) -> bool:
    """Whether the reason of a late canary is the channel's own, not that no Loa sends or takes."""
    return canary.why.startswith(CHANNEL_SAID)


def _late_canary(name: ChannelName, channel: ChannelStatus) -> StatusFinding:
    times = _Times(channel.canary.since, channel.canary.next_at)
    code = "canary_late" if channel.canary.next_at else "canary_outstanding"
    said = _finding(Severity.ACT, code, name, times, why=translate(channel.canary.why))
    return _with_remedy(said, _canary_fix(name, channel))


def _stuck(name: ChannelName, channel: ChannelStatus, facts: Facts) -> Iterator[StatusFinding]:
    """Deliveries that make no progress; abandoned ones not if another finding explains them."""
    if not facts.at_work:
        return
    explained = {*channel.stopped, *(item.plan for item in channel.refused)}
    abandoned = [
        one
        for one in channel.stuck
        if not one.holds and f"{name}.{one.content_id}.{one.revision}" not in explained
    ]
    if abandoned and _can_work(channel):
        values = {"count": sum(one.batches for one in abandoned), "items": _shown_items(abandoned)}
        times = _Times(min(one.since for one in abandoned))
        yield _finding(Severity.ACT, "delivery_stuck", name, times, **values)
    for one in channel.stuck:
        if one.holds:
            yield _held(name, one, facts.now)


def _can_work(channel: ChannelStatus) -> bool:
    """Whether no finding of its own says why the channel delivers nothing."""
    is_halted = channel.paused or channel.former or channel.failing
    return channel.breaker is BreakerState.CLOSED and not is_halted


def _held(name: ChannelName, one: StuckDelivery, now: datetime) -> StatusFinding:
    """A revision behind an older one. While a worker has that one, a restart only makes copies."""
    values = {"item": one.content_id, "revision": one.holds, "older": one.revision}
    waits = one.is_leased and now - one.since < _HELD_ACT_AFTER
    severity = Severity.WATCH if waits else Severity.ACT
    said = _finding(severity, "revision_held", name, _Times(one.since), **values)
    return _with_remedy(said, _phrase("fix_held_wait")) if waits else said


def _shown_items(stuck: Sequence[StuckDelivery]) -> Bilingual:
    """The items' ids; of messages to one person only that there are some."""
    names = dict.fromkeys((one.content_id, one.kind) for one in stuck)
    shown = [Bilingual(id, id) if id else _phrase(f"some_{kind}") for id, kind in names]
    more = [Bilingual("…", "…")] if len(shown) > _MAX_NAMED else []
    en, vi = (", ".join(texts) for texts in zip(*shown[:_MAX_NAMED], *more, strict=True))
    return Bilingual(en, vi)


def _destination_lost(name: ChannelName, channel: ChannelStatus) -> StatusFinding:
    """A channel whose settings are gone: rows for a relay or for Zalo go to no stand-in."""
    variable, stand_in = _LOCAL[name]
    values = {"variable": variable, "stand_in": stand_in, "now": _phrase(f"stand_in_{name}")}
    values["former"] = describe_place(channel.former)
    times = _Times(channel.former_until)
    return _finding(Severity.ACT, "destination_lost", name, times, **values)


def _failures(name: ChannelName, channel: ChannelStatus, now: datetime) -> Iterator[StatusFinding]:
    """Open breakers; without one, the last failure that nothing has followed."""
    for circuit in (channel, *channel.other_breakers):
        if circuit.breaker is not BreakerState.CLOSED:
            yield _broken(name, channel, circuit, now)
    if channel.failing and channel.has_backlog and channel.breaker is BreakerState.CLOSED:
        times, why = _Times(channel.failing_since), translate(channel.failing)
        said = _finding(Severity.WATCH, "channel_failing", name, times, reason=why)
        yield _with_remedy(said, _fix(name, channel, channel.failing))


def _relays_out(
    name: ChannelName, channel: ChannelStatus, now: datetime
) -> Iterator[StatusFinding]:
    """Relays that are left out; a person has to look when that lasts."""
    for relay in channel.relays_out:
        lasts = now - relay.since >= _BREAKER_ACT_AFTER
        facts = {"relay": relay.name, "reason": translate(relay.reason)}
        times = _Times(relay.since)
        severity = Severity.ACT if lasts else Severity.WATCH
        said = _finding(severity, "relay_out", name, times, **facts)
        yield _with_remedy(said, _relay_fix(relay))


def _relay_fix(relay: RelayStatus) -> Bilingual:
    """The remedy for one of several relays, where its settings are."""
    code = _fix_code(ChannelName.EMAIL, relay.reason) or "fix_relay"
    in_file = relay.variable == RELAYS_FILE
    where = _phrase("relay_in_file" if in_file else "relay_by_variables", variable=relay.variable)
    return _phrase(f"{code}_of_several", place=relay.address or relay.name, where=where)


def _slower(name: ChannelName, channel: ChannelStatus) -> Iterator[StatusFinding]:
    """Findings that only slow a channel down, or that a person has decided."""
    if channel.slowed:
        facts = {"level": channel.slowed, "reason": translate(channel.slowed_reason or "?")}
        yield _finding(Severity.WATCH, "mail_slowed", name, None, **facts)
    if channel.paused:
        reason = channel.paused_reason and describe_reason(channel.paused_reason)
        facts = {"by": channel.paused_by, "reason": reason}
        code = "_".join(("paused", *(name for name, value in facts.items() if value)))
        who = _phrase(code, **facts) if any(facts.values()) else Bilingual("", "")
        times = _Times(channel.paused_since)
        yield _finding(Severity.NOTE, "channel_paused", name, times, who=who)


def _broken(
    name: ChannelName, channel: ChannelStatus, circuit: CircuitStatus, now: datetime
) -> StatusFinding:
    """A breaker that is not closed; it needs a person when it lasts, or when nothing else helps."""
    reason = reason_now(name, circuit.breaker, circuit.breaker_reason, channel.failing)
    command = remedy(reason)
    lasts = circuit.breaker_since and now - circuit.breaker_since >= _BREAKER_ACT_AFTER
    said = _finding(
        Severity.ACT if lasts or command else Severity.WATCH,
        "channel_broken_now" if command else "channel_broken",
        f"{name}.{circuit.breaker_part}" if circuit.breaker_part else name,
        _Times(circuit.breaker_since),
        state=translate(circuit.breaker.value),
        reason=translate(reason),
        next=_next_try(channel, circuit),
    )
    return _with_remedy(said, _fix(name, channel, reason))


def _fix(name: ChannelName, channel: ChannelStatus, reason: str) -> Bilingual:
    """The remedy for *reason*, with the place where the channel's output goes."""
    code = _fix_code(name, reason)
    if not code and (command := remedy(reason)):
        return Bilingual(command, command)
    texts, place = (
        load_catalog("status_phrases")[code or f"fix_{name}"],
        describe_place(channel.goes_to),
    )
    en, vi = (printable(text or "?", _PLACE_MAX) for text in place)
    return Bilingual(texts["en"].format(place=en), texts["vi"].format(place=vi))


def _fix_code(name: ChannelName, reason: str) -> str:
    """The code of the remedy for *reason*; empty for the channel's own."""
    fixes = _FIXES.get(name, {}).items()
    return next((code for code, heads in fixes if re.match(heads, reason)), "")


def _canary_fix(name: ChannelName, channel: ChannelStatus) -> Bilingual:
    """The remedy for a late canary, by the reason that it has."""
    why = channel.canary.why
    if why.startswith(CHANNEL_SAID):
        return _fix(name, channel, why.removeprefix(CHANNEL_SAID))
    code = "fix_canary_sender" if why.startswith(NONE_SENT) else "fix_canary_worker"
    return _phrase(code, channel=name)


_FIXES: Mapping[ChannelName, Mapping[str, str]] = {
    ChannelName.PORTAL: {"fix_index": INDEX_LOST},
    ChannelName.EMAIL: {
        "fix_relay_name": "LOA_EMAIL_HOST|no connection: (?:Name or service|No)",
        "fix_relay_login": "AUTH|the relay offers none of AUTH",
        "fix_relay_tls": "TLS|STARTTLS|LOA_EMAIL_CA_BUNDLE|the relay's certificate"
        "|the relay offers no STARTTLS|answers smuggled",
        "fix_relay_refuses": r"(?:(?:greeting|EHLO|HELO) )?[45]\d\d\b",
    },
}
"""The code of what to look at, by the beginning of the reason; others get the channel's own."""


def _next_try(channel: ChannelStatus, circuit: CircuitStatus) -> Bilingual:
    """The next try of a breaker: after its wait, with the first row that may go."""
    if circuit.next_probe:
        return _phrase("try_at", at=circuit.next_probe)
    if circuit.breaker is BreakerState.HALF_OPEN:
        return _phrase("trying")
    if channel.paused:
        return _phrase("try_resumed")
    return _phrase("try_row" if channel.has_backlog else "try_item")


def _phrase(code: str, **values: object) -> Bilingual:
    """Words inside a text."""
    said = localized("", load_catalog("status_phrases")[code], **values)
    return Bilingual(said.message, said.message_vi)


# --- limits of Zalo and of ours


def _unknown_sends(facts: Facts) -> Iterator[StatusFinding]:
    if facts.unknown_sends.count:
        times, count = _Times(facts.unknown_sends.since), facts.unknown_sends.count
        yield _finding(Severity.ACT, "zalo_unknown", ChannelName.ZALO, times, count=count)


def _consent(facts: Facts) -> Iterator[StatusFinding]:
    if facts.consent_ends and facts.consent_ends - facts.now < _CONSENT_SHORT:
        times = _Times(until=facts.consent_ends)
        yield _finding(Severity.ACT, "zalo_consent_ends", ChannelName.ZALO, times)


def _webhook(facts: Facts) -> Iterator[StatusFinding]:
    if facts.webhook_silent_since:
        times = _Times(facts.webhook_silent_since)
        yield _finding(Severity.WATCH, "webhook_silent", ChannelName.ZALO, times)


def _limits(facts: Facts) -> Iterator[StatusFinding]:
    """Used-up limits, by what waits and by our own counts; then limits that end soon."""
    zalo = facts.channels.get(ChannelName.ZALO)
    waiting = set()
    for wait in zalo.waits if zalo else ():
        if cause := explain_wait(wait.reason):
            waiting.add(cause.limit)
            yield _waiting(cause, wait.rows, _Times(wait.since, wait.until))
    for use in facts.limits:
        if use.limit not in waiting:
            yield from _own_limit(use)


def _waiting(cause: WaitCause, rows: int, times: _Times) -> StatusFinding:
    """Rows that wait for a limit to begin anew, or for what Zalo wants a person to do."""
    limit = cause.limit
    if limit:
        values = {"rows": rows, "what": translate(limit.value), "variable": limit.variable}
        return _finding(Severity.ACT, "limit_used_up", ChannelName.ZALO, times, **values)
    code = "zalo_needs_person" if cause.needs_person else "zalo_quota_used_up"
    said = _finding(Severity.ACT, code, ChannelName.ZALO, times, rows=rows, reason=cause.reason)
    return _with_remedy(said, cause.fix) if cause.fix.en else said


def _own_limit(use: LimitUse) -> Iterator[StatusFinding]:
    """A limit of ours, or Zalo's quota, of which 80 % are used, or all."""
    if use.used * 100 < use.most * _LIMIT_LOW_PERCENT or not use.most:
        return
    values: dict[str, object] = {"used": use.used, "most": use.most}
    code, times = "zalo_quota_low", _Times(until=use.until)
    if use.limit:
        code = "limit_low"
        values |= {"what": translate(use.limit.value), "variable": use.limit.variable}
    yield _finding(Severity.WATCH, code, ChannelName.ZALO, times, **values)


# --- people's work


def _dead_letters(facts: Facts) -> Iterator[StatusFinding]:
    if facts.dead.count:
        times = _Times(facts.dead.since)
        yield _finding(Severity.ACT, "dead_letters", "dead", times, count=facts.dead.count)


def _desk(facts: Facts) -> Iterator[StatusFinding]:
    """Drafts whose time comes, urgent ones, then the queue."""
    drafts, desk = facts.drafts, "desk"
    if not drafts:
        return
    limit = facts.now + _DEADLINE_NEAR
    due = {one.key: one.deadline for one in drafts if one.deadline and one.deadline <= limit}
    if due:
        key = min(due, key=lambda one: due[one])
        times = _Times(until=due[key])
        yield _finding(Severity.ACT, "desk_deadline", desk, times, count=len(due), key=key)
    if urgent := [one.since for one in drafts if one.is_urgent]:
        times = _Times(min(urgent))
        yield _finding(Severity.ACT, "desk_urgent", desk, times, count=len(urgent))
    oldest = min(one.since for one in drafts)
    severity = Severity.WATCH if facts.now - oldest >= _DRAFT_OLD else Severity.NOTE
    whom = _named(count_drafts(drafts))
    yield _finding(severity, "desk_waits", desk, _Times(oldest), count=len(drafts), whom=whom)


def count_drafts(drafts: Sequence[WaitingDraft]) -> dict[Status, int]:
    """How many wait for whom, in the order of the steps."""
    counts = Counter(one.status for one in drafts)
    return {status: counts[status] for status in Status if status in counts}


def _named(counts: Mapping[Status, int]) -> Bilingual:
    """Numbers of drafts with whom they wait for, in both languages."""
    words = [(count, name_of(f"waits_{status}")) for status, count in counts.items()]
    return Bilingual(
        ", ".join(f"{count} {word.en}" for count, word in words),
        ", ".join(f"{count} {word.vi}" for count, word in words),
    )


def _feeds(facts: Facts) -> Iterator[StatusFinding]:
    """Feeds of units' sites; they mostly come back by themselves."""
    if feeds := facts.stale_feeds:
        named = ", ".join(feed.name for feed in feeds[:_MAX_NAMED])
        values = {"count": len(feeds), "names": named + (", …" if feeds[_MAX_NAMED:] else "")}
        times = _Times(min((feed.since for feed in feeds if feed.since), default=None))
        yield _finding(Severity.WATCH, "feed_stale", "import", times, **values)


def _callbacks(facts: Facts) -> Iterator[StatusFinding]:
    """Endpoints of units, whose mail tells the unit; and what a Loa that runs does not tell."""
    since = facts.untold_since
    if facts.at_work and since and facts.now - since >= LATE_AFTER:
        yield _finding(Severity.ACT, "units_untold", "callbacks", _Times(since))
    for one in facts.failing_endpoints:
        about, times = f"callbacks.{one.name}", _Times(one.since)
        if one.is_disabled:
            yield _finding(Severity.WATCH, "callback_disabled", about, times)
        elif one.is_late and facts.at_work:
            yield _finding(Severity.ACT, "callback_late", about, times)
        elif not one.is_late and facts.now - one.since >= _CALLBACK_LATE:
            yield _finding(Severity.WATCH, "callback_waits", about, times)


def _replicas(facts: Facts) -> Iterator[StatusFinding]:
    """Replicas of the portal whose readers see something old, or something else."""
    for one in facts.replicas if facts.at_work else ():
        about, times = f"replica.{one.name}", _Times(one.since)
        if facts.now - one.since >= _REPLICA_SILENT:
            yield _finding(Severity.ACT, "replica_silent", about, times)
        elif one.lag is None:
            yield _finding(Severity.WATCH, "replica_begins", about, None)
        elif one.lag >= _REPLICA_BEHIND:
            seconds = round(one.lag.total_seconds())
            yield _finding(Severity.ACT, "replica_behind", about, None, seconds=seconds)
        if one.is_other:
            yield _finding(Severity.WATCH, "replica_other", about, None)


def _report_facts(facts: Facts) -> Iterator[StatusFinding]:
    """The facts that reports count, where a Loa that runs has not written them."""
    since = facts.unread_since
    if facts.at_work and since and facts.now - since >= _FACTS_LATE:
        yield _finding(Severity.WATCH, "report_facts_behind", "facts", _Times(since))


_RULES: tuple[Callable[[Facts], Iterator[StatusFinding]], ...] = (
    *(_key, _disks, _unreadable, _bus, _servers, _log, _streams, _lost_files, _unit_keys),
    *(_channels, _unknown_sends, _consent, _webhook, _limits, _dead_letters, _desk, _feeds),
    *(_callbacks, _replicas, _report_facts, _restored, _process),
)
