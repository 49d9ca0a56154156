"""The product's waits, shortened so that a thousand deaths fit into half an hour.

Only how long is changed, never what happens. A wait that protects against something late stays
longer than that something can take here: receivers on this machine answer within milliseconds.
"""

import os
import time
from datetime import date, timedelta
from functools import partial
from typing import Any

from channels.email import channel as email
from channels.email.channel import EmailChannel
from channels.email.smtp import outcomes as smtp_outcomes
from channels.zalo import channel, factory, outcomes
from channels.zalo import errors as zalo_errors
from channels.zalo.client import token_store
from channels.zalo.clock import Timing
from channels.zalo.publications import article, broadcast
from consumers.app import broker, instance, services
from consumers.app.wiring.trials import mails as trials
from consumers.callbacks import delivery as callbacks
from consumers.channel_health import breaker
from consumers.check import plans
from consumers.deliver import worker
from consumers.digests import service as digests
from consumers.digests.schedule import DigestSchedule
from consumers.dispatch import supersede
from consumers.facts import follow as facts
from consumers.feedback import handler
from consumers.ledger import backoff, moves
from consumers.operations import retention
from consumers.operations.old_deliveries import OldDeliveries
from consumers.runtime import ack
from consumers.staff.mail import item_history
from consumers.staff.mail import service as staff_mail
from consumers.subscribers import sealing
from contracts.base.retention import Retention, RetentionKind
from producers.bus import topology
from producers.encryption.day_keys import DayKeys
from producers.publisher import Publisher

ACK_WAIT_NS = 3_000_000_000
LADDER_S = (0.0, 2.5, 3.0, 3.0, 3.0, 3.0, 3.0, 3.0)
LAST_S = 1.0
SHORT: tuple[tuple[Any, dict[str, Any]], ...] = (
    (backoff, {"BACKOFF_S": LADDER_S, "LAST_TRY_BEFORE_END_S": LAST_S}),
    (moves, {"ASK_AGAIN_S": 0.5}),
    (ack, {"KEEP_ALIVE_S": 1.0, "BUS_RETRY_S": 0.3}),
    (supersede, {"RECHECK_S": 0.3}),
    (handler, {"RETRY_S": 0.5}),
    (services, {"DESK_RESUME_S": 3.0}),
    (instance, {"PROBE_TIMEOUT_S": 0.2}),
    (broker, {"PULL_TIMEOUT_S": 1.0}),
    (EmailChannel, {"settle_s": 1.5}),
    (email, {"BROKEN_RETRY_S": 1.0}),
    (breaker, {"PROBE_WAITS_S": (0.5, 1.0, 1.0), "PROBE_TIMEOUT_S": 3.0}),
    (worker, {"MAX_PAUSE_S": 3.0}),
    (smtp_outcomes, {"DOUBT_RETRY_S": 0.3, "THROTTLED_RETRY_S": 2.5}),
    (article, {"PROCESSING_S": 0.5, "RECHECK_S": 0.5}),
    (outcomes, {"PROCESSING_S": 0.5}),
    (zalo_errors, {"OPERATOR_RETRY_S": 2.0}),
    (token_store, {"PENDING_TIMEOUT_S": 3.0, "BUSY_RETRY_S": 0.5, "OPERATOR_RETRY_S": 2.0}),
    (broadcast, {"ARTICLE_WAIT_S": 0.5}),
    (channel, {"RESOLVE_AGAIN_S": 0.5}),
    (callbacks, {"LEASE": timedelta(seconds=2)}),
    (digests, {"INTERVAL_S": 0.3}),
    (facts, {"INTERVAL_S": 1.0}),
    (trials, {"INTERVAL_S": 0.3}),
    (retention, {"_INTERVAL_S": 2.0}),
    (sealing, {"_LOOK_EVERY_S": 2.0, "_INTERVAL": timedelta(seconds=1)}),
    (plans, {"_KEPT_S": 0.0}),
    (staff_mail, {"INTERVAL_S": 0.3, "QUIET_SPAN": timedelta(seconds=0.3)}),
    (item_history, {"QUIET_SPAN": timedelta(seconds=0.3)}),
)
OLD_ITEMS = "CRASH_OLD_ITEMS"
"""The items and letters, by id, of which the ledger's rows are old."""
KEEPS_AUDIT = "CRASH_KEEPS_AUDIT"
"""Whether the audit log stays whole; without it, all of it is old."""


def digest_day(_: DigestSchedule, __: str, now: float) -> date:
    """Digests are cut every three seconds, each on a day of its own."""
    return date.fromordinal(400_000 + int(now // 3) % 2_000_000)


def notice_day(_: DayKeys) -> str:
    """Contacts are sealed with another key every four seconds; none expires."""
    return date.fromordinal(800_000 + int(time.time() // 4) % 2_000_000).isoformat()


def age_records() -> None:
    """Let the audit log be old, unless it is kept, and in the ledger what `OLD_ITEMS` names."""
    old, span = os.environ.get(OLD_ITEMS, "").split(), Retention.span
    kinds = {"ledger"} if os.environ.get(KEEPS_AUDIT) else {"audit", "ledger"}
    due_plan, due_notice = OldDeliveries.due_plan, OldDeliveries.due_notice

    def short_span(self: Retention, kind: RetentionKind) -> timedelta:
        return timedelta() if kind in kinds else span(self, kind)

    async def due_item(self: OldDeliveries, key: str, *found: Any) -> Any:
        return await due_plan(self, key, *found) if key.split(".")[2] in old else None

    def due_letter(self: OldDeliveries, key: str, *found: Any) -> Any:
        return due_notice(self, key, *found) if key.split(".")[2] in old else None

    Retention.span = short_span
    OldDeliveries.due_plan, OldDeliveries.due_notice = due_item, due_letter


def shorten_waits() -> None:
    """Shorten every wait of this process."""
    for owner, waits in SHORT:
        for name, wait in waits.items():
            if not hasattr(owner, name):
                raise AttributeError(f"{owner.__name__}.{name} is gone")
            setattr(owner, name, wait)
    DigestSchedule.due_day = digest_day
    DayKeys.today = notice_day
    age_records()
    factory.Timing = partial(Timing, settle_s=2.0, polls_s=(0.05, 0.1, 0.2))
    Publisher.__init__.__kwdefaults__["patience_s"] = 0.5
    consumer_config = topology.consumer_config

    def impatient(consumer: Any) -> dict[str, Any]:
        return consumer_config(consumer) | {"ack_wait": ACK_WAIT_NS}

    topology.consumer_config = impatient
