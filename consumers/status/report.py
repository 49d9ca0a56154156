"""The answer of `loa status`: findings, then the channels with their lanes."""

from datetime import datetime
from enum import StrEnum
from typing import Literal

from pydantic import BaseModel, ConfigDict

from consumers.channel_health.breaker import BreakerState
from consumers.channel_health.canary.status import CANARY_OFF, CanaryStatus
from consumers.channel_health.readback import ReadbackFailure
from contracts.base.times import format_utc
from contracts.delivery import ChannelName, Lane
from contracts.errors import FieldError


class Severity(StrEnum):
    """Who has to act: a person now, a person later or none; in the order of the answer."""

    ACT = "act"
    WATCH = "watch"
    NOTE = "note"


class StatusFinding(BaseModel):
    """One finding: `about` names the channel, stream or place, `code` is for programs.

    `until`: when it ends by itself. `remedy`: what to do, where the message does not say it.
    """

    model_config = ConfigDict(frozen=True)

    severity: Severity
    code: str
    about: str
    since: datetime | None = None
    until: datetime | None = None
    message: str
    message_vi: str
    remedy: str = ""
    remedy_vi: str = ""

    def to_code(self) -> dict[str, str]:
        """The finding without its texts, for `/readyz`."""
        times = {"since": self.since, "until": self.until}
        named = {"severity": self.severity.value, "code": self.code, "about": self.about}
        return named | {name: format_utc(at) for name, at in times.items() if at}


class LaneStatus(BaseModel):
    """`backlog` rows wait, the oldest for `oldest_s`; `per_s`: rows that ended between two looks.

    `ready` of them may go now, the first for `ready_s`; `in_doubt` may have been sent.

    `left_s`: how long the rows that may go now take at that rate; none without progress, and for
    rows that wait for an operator or for their own time. Without a running Loa there is no rate.
    """

    backlog: int = 0
    oldest_s: float = 0.0
    ready: int = 0
    ready_s: float = 0.0
    in_doubt: int = 0
    per_s: float | None = 0.0
    left_s: float | None = None


class WaitReason(BaseModel):
    """Why rows of a channel wait for their next try: how many, since when, and the next try."""

    model_config = ConfigDict(frozen=True)

    reason: str
    rows: int
    since: datetime
    until: datetime


class RefusedPublication(BaseModel):
    """A publication of whose mails the relay takes none; `alone`: it takes other publications."""

    model_config = ConfigDict(frozen=True)

    plan: str
    since: datetime
    next_at: datetime
    reason: str
    alone: bool


StuckKind = Literal["item", "case_notice", "personal_mail"]


class StuckDelivery(BaseModel):
    """Batches of one revision without progress: their open rows, and since when.

    `content_id`: empty for a message to one person, of which `kind` alone tells. `holds`: the newer
    revision that waits for them; 0 for batches that their worker abandoned. `is_leased`: a worker
    has one of those that hold a revision up, or has had it a moment ago.
    """

    model_config = ConfigDict(frozen=True)

    content_id: str
    revision: int
    rows: int
    batches: int
    since: datetime
    holds: int = 0
    is_leased: bool = False
    kind: StuckKind = "item"


class CircuitStatus(BaseModel):
    """`breaker` is open while the circuit can't work, half-open while one batch tries."""

    breaker: BreakerState = BreakerState.CLOSED
    breaker_since: datetime | None = None
    breaker_reason: str = ""
    breaker_part: str = ""
    """Empty for the channel's own; `notices`: only these can't go, by a host of their own."""
    next_probe: datetime | None = None
    """None while it is open: a probe is due already."""


class RelayStatus(BaseModel):
    """A relay that is left out while others go on; `variable`: the setting that names it."""

    model_config = ConfigDict(frozen=True)

    name: str
    address: str = ""
    variable: str = ""
    reason: str
    since: datetime


class ChannelStatus(CircuitStatus):
    """A channel, with the first of its circuits that is not closed."""

    paused: bool
    paused_since: datetime | None = None
    paused_reason: str = ""
    paused_by: str = ""
    other_breakers: tuple[CircuitStatus, ...] = ()
    """Further circuits of the channel that are not closed."""
    failing: str = ""
    """The last failure without a success since, as the worker that started last sees it."""
    failing_since: datetime | None = None
    relays_out: tuple[RelayStatus, ...] = ()
    """Relays that are left out by a worker that is alive."""
    canary: CanaryStatus = CANARY_OFF
    slowed: int = 0
    """0: full pace; see `consumers.email.pace`."""
    slowed_reason: str = ""
    stopped: tuple[str, ...] = ()
    """Publications that wait for an operator, because too many of their mails bounced."""
    refused: tuple[RefusedPublication, ...] = ()
    """Publications whose whole mails the relay refuses; tried again every few minutes."""
    goes_to: str = ""
    """Where its output goes, by the worker that started last; empty before the first start."""
    stand_in: bool = False
    """Its output stays on this machine."""
    former: str = ""
    """Where its output went before its settings were lost; its rows wait."""
    former_until: datetime | None = None
    unseen: ReadbackFailure | None = None
    """Of the portal: readers can't see the written pages."""
    waits: tuple[WaitReason, ...] = ()
    """Why rows wait that were tried already, the most rows first."""
    stuck: tuple[StuckDelivery, ...] = ()
    """Deliveries without progress, the oldest first."""
    lanes: dict[Lane, LaneStatus]

    def breaker_of(self, part: str) -> BreakerState:
        """The state of a circuit."""
        broken = (one.breaker for one in (self, *self.other_breakers) if one.breaker_part == part)
        return next(broken, BreakerState.CLOSED)

    @property
    def has_backlog(self) -> bool:
        return any(lane.backlog for lane in self.lanes.values())


class ReplicaStatus(BaseModel):
    """A replica of the portal, as it said last, at `said_at`."""

    name: str
    said_at: datetime
    lag_s: float | None = None
    """How much older than the portal its files are; None before it knows."""
    position: int = 0
    """Up to where it has followed the ledger."""


class StatusReport(BaseModel):
    """The answer of `loa status`; `findings` come from `consumers.status.findings`."""

    findings: tuple[StatusFinding, ...] = ()
    channels: dict[ChannelName, ChannelStatus]
    at_work: bool = True
    """False: no Loa runs on this folder."""
    bus: tuple[FieldError, ...] = ()
    """Losses of the bus, by this machine's anchor; the field is the stream."""
    replicas: tuple[ReplicaStatus, ...] = ()
    """Replicas of the portal, also those that are well."""
    unplanned: dict[ChannelName, int] = {}
    """Publications whose list of recipients has still to be made."""
    versions: dict[str, str] = {}
    """Of Loa, of the nats-server, and of the Loa that runs if it is another one."""
