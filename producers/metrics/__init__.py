"""Metrics of this process: what its code counts and times. docs/metrics.md is made from them.

A label's values are a closed list; any other value counts as `other`, so that no sender can make
series. Names follow Prometheus: base units, `_total` for counters.
"""

from itertools import product

from contracts import events
from contracts.delivery import ChannelName, Lane
from contracts.desk.staff_mail import StaffMailKind
from contracts.errors import ContractError
from contracts.facts import FactKind
from contracts.facts.content_status import StatusKind
from contracts.vocabulary import DEFAULT
from producers.metrics.instruments import (
    METRICS,
    OTHER,
    REGISTRY,
    CounterMetric,
    GaugeTable,
    HistogramMetric,
    Label,
    Metric,
)

__all__ = ["METRICS", "OTHER", "REGISTRY", "Label", "Metric"]

CHANNEL = Label("channel", ChannelName)
LANE = Label("lane", Lane)
UNIT = Label("unit", DEFAULT.units, "ids of units in the vocabulary, or `other`")
_FEED = Label("feed", (), "ids of registered feeds")
_EVENT_KIND = Label("kind", [*map(events.kind_of, events.KINDS), OTHER])
_ANSWER = Label(
    "answer",
    [
        *("accepted", "known"),
        *sorted(kind.code for kind in ContractError.__subclasses__()),
        *("error", "unfinished"),
    ],
)
_DOOR = Label("door", ["http", "bus", "import", "intake", "trial", "dry_run"])


def event_kind(event_type: str) -> str:
    """The kind of an event for a label; `other` for a type that Loa does not know."""
    return events.kind_of(event_type) if event_type in events.KINDS else OTHER


EVENTS = CounterMetric(
    Metric(
        "loa_events_total",
        "counter",
        "Events by unit, kind and answer. A request that could not be read counts as one event. "
        "`known`: a repeat. `unfinished`: the sender went away or was too slow. "
        "`intake`: refused after the HTTP door had accepted it. `trial`: with a key for trials. "
        "`dry_run`: only asked about, and counted where it is refused",
        "gateway, import, intake",
        (UNIT, _EVENT_KIND, _ANSWER, _DOOR),
    )
)
_RESULTS = ("accepted", "refused", "unavailable")
DOOR_SECONDS = HistogramMetric(
    Metric(
        "loa_door_request_seconds",
        "histogram",
        "Time from a request of POST /v1/events to its answer; of no trial, and no dry run",
        "gateway",
        (Label("result", _RESULTS),),
    ),
    (0.01, 0.05, 0.1, 0.2, 0.5, 1, 2, 5),
)
DOOR_SECONDS.begin((result,) for result in _RESULTS)
FEED_READ = GaugeTable(
    Metric(
        "loa_feed_read_timestamp_seconds",
        "gauge",
        "When a feed was last read successfully; 0: never",
        "import",
        (UNIT, _FEED),
    ),
    worst=min,
)
FEED_FAILURES = GaugeTable(
    Metric(
        "loa_feed_failures",
        "gauge",
        "Failed visits to a feed since it was last read",
        "import",
        (UNIT, _FEED),
    ),
    worst=max,
)
_OUTCOMES = (
    *("delivered", "failed", "suppressed", "deferred", "held", "unsent", "doubt"),
    *("absent", "resend", "unknown", "expired"),
)
REASONS = (
    *("none", "no_mailbox", "mailbox_full", "no_cause", "content", "protocol", "policy"),
    *("throttled", "greylisted", "temporary", "connection", "quota", "token", "operator"),
    *("recipient", "left", "suppressed", "not_seen", "expired", OTHER),
)
_FIRST_OUTCOMES = (
    *(("delivered", "none"), ("expired", "expired")),
    *(("unknown", reason) for reason in ("connection", "temporary", OTHER)),
    *(("failed", reason) for reason in ("no_mailbox", "mailbox_full", "no_cause", "content")),
    *(("failed", reason) for reason in ("protocol", "policy", "recipient", OTHER)),
)
"""Series that alarms watch, from the start: `increase` does not see a series' first value."""
ATTEMPTS = CounterMetric(
    Metric(
        "loa_delivery_attempts_total",
        "counter",
        "Attempts to deliver a row, by the channel's answer and its reason: a row that is tried "
        "three times counts three times, and once as `delivered`. `suppressed` and `expired` with "
        "the reasons `left`, `suppressed`, `expired` ended without an attempt",
        "deliver-...",
        (CHANNEL, Label("outcome", _OUTCOMES), Label("reason", REASONS)),
    ),
    [(channel, *first) for channel in ChannelName for first in _FIRST_OUTCOMES],
)
RELAY = Label("relay", (), "names of relays in their file; `first` and `second` without one")
RELAY_MAILS = CounterMetric(
    Metric(
        "loa_relay_mails_total",
        "counter",
        "Mails that a relay has taken",
        "deliver-email",
        (RELAY,),
    )
)
RELAYS_OUT = GaugeTable(
    Metric(
        "loa_relay_out",
        "gauge",
        "1 while a relay is left out and others go on; with a single relay always 0: "
        "`loa_channel_breaker` tells of it",
        "deliver-email",
        (RELAY,),
    ),
    worst=max,
)
RELAY_CONNECTIONS = GaugeTable(
    Metric(
        "loa_relay_connections",
        "gauge",
        "Connections to a relay that are at work",
        "deliver-email",
        (RELAY,),
    ),
    worst=max,
)
COPIES = CounterMetric(
    Metric(
        "loa_delivery_copies_total",
        "counter",
        "Rows sent again after a doubt: possible copies (`maybe_duplicate`)",
        "deliver-...",
        (CHANNEL,),
    ),
    [(channel,) for channel in ChannelName],
)
REACHED = ("first", "half", "95", "last")
ITEM_SECONDS = HistogramMetric(
    Metric(
        "loa_item_delivery_seconds",
        "histogram",
        "Time until the first, 50 %, 95 % and the last of those who could be reached got an item; "
        "from its acceptance, its approval or its `not_before`, whichever comes last. "
        "Once for each item, channel and mark",
        "sweep",
        (CHANNEL, LANE, Label("reached", REACHED)),
    ),
    (1, 2, 5, 10, 30, 60, 120, 300, 900, 1800, 3600, 7200, 14400, 43200, 86400),
)
LEDGER_WRITES = CounterMetric(
    Metric(
        "loa_ledger_writes_total",
        "counter",
        "Writes of batches to the ledger; `conflict`: another writer was faster",
        "dispatch, deliver-..., feedback",
        (Label("result", ["stored", "conflict", "no_reply"]),),
    ),
    [("stored",), ("conflict",), ("no_reply",)],
)
LEDGER_SECONDS = HistogramMetric(
    Metric(
        "loa_ledger_write_seconds",
        "histogram",
        "Time of one write of a batch to the ledger, with its fsync",
        "dispatch, deliver-..., feedback",
    ),
    (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 1, 5),
)
_REPORTS = ("bounce", "delay", "complaint", "refusal")
_MEANINGS = (
    *("gone", "full", OTHER, "content", "fault", "policy", "slower", "grey", "later"),
    *("accepted", "none"),
)
_STAFF_RESULTS = ("begun", "no_address", "unreadable", "inactive", "no_right", "moved_on")
MAIL_REPORTS = CounterMetric(
    Metric(
        "loa_mail_reports_total",
        "counter",
        "What came back of mail, by the meaning of its status code; `refusal`: by our own relay",
        "feedback",
        (Label("kind", _REPORTS), Label("meaning", _MEANINGS)),
    ),
    product(_REPORTS, _MEANINGS),
)
FACTS = CounterMetric(
    Metric(
        "loa_facts_total",
        "counter",
        "Facts for reports that were stored, new ones and changed ones, by kind",
        "sweep",
        (Label("kind", FactKind),),
    ),
    product(FactKind),
)
STATUS_FACTS = CounterMetric(
    Metric(
        "loa_status_facts_total",
        "counter",
        "Facts that units were told about their items, by kind",
        "callbacks",
        (Label("kind", StatusKind),),
    ),
    product(StatusKind),
)
_CALLBACK_RESULTS = ("arrived", "refused", "slowed", "gone", "unreached")
CALLBACKS = CounterMetric(
    Metric(
        "loa_callbacks_total",
        "counter",
        "Callbacks to units' systems, each try, by its result. `slowed`: the receiver asks to be "
        "left alone; `unreached`: no answer, or none that may be trusted",
        "callbacks",
        (Label("result", _CALLBACK_RESULTS),),
    ),
    [(result,) for result in _CALLBACK_RESULTS],
)
STAFF_MAILS = CounterMetric(
    Metric(
        "loa_staff_mails_total",
        "counter",
        "What staff were to be told by mail about items on the desk, by kind. `begun`: handed to "
        "the ledger; `no_address`, `unreadable`: the account has none, or one of another key file; "
        "`inactive`: the account can't sign in any more; `no_right`: its roles, or "
        "four eyes, no longer allow it; `moved_on`: the item waits for that step no more",
        "sweep",
        (Label("kind", StaffMailKind), Label("result", _STAFF_RESULTS)),
    ),
    product(StaffMailKind, ("begun", "unreadable")),
)
