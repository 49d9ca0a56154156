"""Build what carries out how long things are kept."""

from consumers.app.node import Node
from consumers.app.settings import load_retention
from consumers.audit.cut import AuditCutter
from consumers.audit.log import AuditLog
from consumers.audit.signed import signing_key
from consumers.intake.draft_decisions import DraftDecisions
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
    UnusedUploads,
)
from consumers.reporting.trace import TraceReader
from consumers.staff.accounts import AccountStore
from consumers.staff.policy import default_policy
from consumers.staff.proposals import Proposals
from consumers.subscribers.unsubscribe import UnsubscribeService
from consumers.uploads.unused import UnusedFiles
from contracts.base.retention import Retention


def open_retention(node: Node) -> RetentionService:
    decisions = DraftDecisions(node.bus, node.clock)
    decisions.log = node.editorial_log
    service = build_retention(decisions, node.keys, load_retention(node.settings))
    service.may_change_streams = not node.settings.has_limited_rights
    return service


def build_retention(
    decisions: DraftDecisions, keys: KeyFile, retention: Retention
) -> RetentionService:
    """The service with the rules for what no stream forgets by itself."""
    bus, clock = decisions.bus, decisions.clock
    unsubscribe = UnsubscribeService.from_key_file(bus, keys)
    accounts, key = AccountStore(bus, clock), signing_key(keys)
    count_plan = TraceReader(bus, clock).channel_counts
    rules: list[Rule] = [
        *(FailedAddresses(bus), Drafts(decisions), FormerReaders(unsubscribe)),
        *(UnusedAccounts(accounts), OldProposals(Proposals(accounts, default_policy()))),
        UnusedUploads(UnusedFiles(bus), clock),
        OldDeliveries(bus, key, count_plan, clock),
        OldAuditRecords(AuditCutter(AuditLog(bus, clock), key)),
    ]
    return RetentionService(bus, retention, rules, clock)
