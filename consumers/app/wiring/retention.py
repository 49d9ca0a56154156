"""Build what carries out how long things are kept."""

from consumers.app.node import Node
from consumers.app.settings import load_retention
from consumers.audit.cut import AuditCutter
from consumers.audit.log import AuditLog
from consumers.audit.signed import signing_key
from consumers.intake.desk import Desk
from consumers.key_file import KeyFile
from consumers.operations.old_deliveries import OldDeliveries
from consumers.operations.retention import (
    Drafts,
    FailedAddresses,
    FormerReaders,
    OldAuditRecords,
    OldProposals,
    RetentionService,
    Rule,
    UnusedAccounts,
)
from consumers.reporting.trace import TraceReader
from consumers.staff.accounts import AccountStore
from consumers.staff.policy import default_policy
from consumers.staff.proposals import Proposals
from consumers.subscribers.unsubscribe import UnsubscribeService
from contracts.base.retention import Retention
from contracts.base.times import Clock
from producers.bus import Bus


def open_retention(node: Node) -> RetentionService:
    service = build_retention(node.bus, node.keys, load_retention(node.settings), node.clock)
    service.may_change_streams = not node.settings.has_limited_rights
    return service


def build_retention(
    bus: Bus, keys: KeyFile, retention: Retention, clock: Clock
) -> RetentionService:
    """The service with the rules for what no stream forgets by itself."""
    unsubscribe = UnsubscribeService.from_key_file(bus, keys)
    accounts, key = AccountStore(bus, clock), signing_key(keys)
    count_plan = TraceReader(bus, clock).channel_counts
    rules: list[Rule] = [
        *(FailedAddresses(bus), Drafts(Desk(bus, clock)), FormerReaders(unsubscribe)),
        *(UnusedAccounts(accounts), OldProposals(Proposals(accounts, default_policy()))),
        OldDeliveries(bus, key, count_plan, clock),
        OldAuditRecords(AuditCutter(AuditLog(bus, clock), key)),
    ]
    return RetentionService(bus, retention, rules, clock)
