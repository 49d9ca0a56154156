"""Run every rule of `loa check`, and look again at each violation.

A system at work changes while it is read. A violation of the ledger's rules therefore counts only
if a second pass, over its item alone, finds it at the same place."""

import asyncio
from dataclasses import dataclass, field

from channels.portal.writer.audit import FolderAudit
from consumers.check.context import CheckContext
from consumers.check.digests import IssueIndex
from consumers.check.events import EventRules
from consumers.check.findings import Findings, Skipped, Violation, unreadable
from consumers.check.ledger_pass import LedgerPass
from consumers.check.portal import INDEX_LOST_RULE, PortalRules, find_stopped_portal
from consumers.check.positions import PositionRules
from consumers.check.releases import ReleaseRules
from consumers.check.zalo_articles import check_articles
from consumers.editorial.log import Audit, EditorialLog
from consumers.seals.records import SEALED_BUCKETS
from contracts import subjects
from contracts.base.times import utc_now
from contracts.bulletins.correction import TELLS_WITHDRAWN, tells_withdrawn
from contracts.bulletins.sequence import sequence_errors
from producers.bus import Bus, topology
from producers.seals import RefusedSeals, VerifiedBucket

_READ_BY_OTHER_RULES = (subjects.LEDGER.name, subjects.PUBLISHED.name)
"""Large buckets: their records are verified as far as the other rules read them."""

_MANY_ITEMS = 200
"""With this many items, the second pass reads everything instead of one item after the other."""


@dataclass
class LedgerRules:
    """The rules of the ledger, with a second pass."""

    context: CheckContext

    def __post_init__(self) -> None:
        self.issues = IssueIndex(self.context.bus)
        self.first_pass = LedgerPass(self.context, self.issues)

    async def violations(self) -> list[Violation]:
        await self.context.publications.read()
        await self.issues.read()
        self.first_pass = LedgerPass(self.context, self.issues)
        violations = await self.first_pass.violations()
        if not violations:
            return []
        await asyncio.sleep(self.context.recheck_after_s)
        again = await self.recheck({_scope_of(violation) for violation in violations})
        return [again[one.identity] for one in violations if one.identity in again]

    async def recheck(self, scopes: set[str]) -> dict[tuple[str, str], Violation]:
        """Apply the same rules to the present state."""
        await self.issues.read()
        publications = self.context.publications
        if len(scopes) > _MANY_ITEMS or "" in scopes:
            publications.is_complete = False
            await publications.read()
            scopes = {""}
        violations: list[Violation] = []
        for scope in sorted(scopes):
            if scope:
                await publications.read(scope.split(".")[1])
            violations += await LedgerPass(self.context, self.issues, scope).violations()
        return {violation.identity: violation for violation in violations}


def _scope_of(violation: Violation) -> str:
    """The key prefix of an item on a channel; empty, for everything, if the key names none."""
    _, *names = violation.key.split(".")
    return f"{names[0]}.{names[1]}." if len(names) > 2 else ""


@dataclass
class Checker:
    """Reads only: plans and states, and with `deep` everything that can be compared.

    `audit` is the portal's folder, if this machine has one.
    """

    context: CheckContext
    audit: FolderAudit | None = None
    checked: dict[str, int] = field(default_factory=dict)
    skipped: list[Skipped] = field(default_factory=list)
    acts: Audit = field(default_factory=Audit)
    """The editorial log, as the last run read it."""

    async def run(self) -> Findings:
        context = self.context
        acts = self.acts = await EditorialLog(context.bus).audit()
        violations = await self.check_bus(acts) if context.deep else []
        ledger = LedgerRules(context)
        violations += await ledger.violations()
        unreadable_seqs = sorted(context.publications.unreadable)
        violations += [unreadable(f"{subjects.PUBLICATIONS.name}.{n}") for n in unreadable_seqs]
        violations += self.unreleased_messages()
        violations += self.wrong_issues()
        self.checked |= ledger.first_pass.counts
        if context.deep:
            violations += await self.check_channels(ledger.first_pass)
            violations += await _find_unsealed_facts(context.bus)
        violations += await _find_unsealed_records(context.bus)
        violations += _wrong_acts(acts)
        if not any(one.rule == INDEX_LOST_RULE for one in violations):
            violations += await find_stopped_portal(context.bus)
        found = Findings(ok=not violations, violations=violations, warnings=self.stale_issues())
        return found.model_copy(update={"checked": self.checked, "skipped": self.skipped})

    def unreleased_messages(self) -> list[Violation]:
        """Name the messages in PUBLICATIONS that Loa did not release, by their seals."""
        stream, found = subjects.PUBLICATIONS.name, self.context.publications.unreleased
        return [
            Violation(rule="publication-unexpected", key=f"{stream}.{seq}", detail=detail)
            for seq, detail in sorted(found.items())
        ]

    def wrong_issues(self) -> list[Violation]:
        """Name gaps and doubles among the issues of bulletins."""
        return [
            Violation(rule=error.rule, key=error.key, detail=error.detail)
            for error in sequence_errors(self.context.publications.issues())
        ]

    def stale_issues(self) -> list[Violation]:
        """Name the issues of bulletins that still tell readers of withdrawn items."""
        publications, found = self.context.publications, list[Violation]()
        withdrawn = publications.withdrawn()
        for one in publications.issues(utc_now(self.context.clock)):
            if told := tells_withdrawn(one, withdrawn):
                detail = ", ".join(told)
                found.append(Violation(rule=TELLS_WITHDRAWN, key=one.content_id, detail=detail))
        return found

    async def check_bus(self, acts: Audit) -> list[Violation]:
        info = await self.context.bus.stream_info(subjects.PUBLICATIONS.name)
        events = EventRules(self.context)
        violations = await events.violations()
        releases = ReleaseRules(self.context, events.fingerprints, info["state"]["last_seq"])
        violations += await releases.violations()
        positions = PositionRules(self.context, acts)
        violations += await positions.violations()
        self.checked |= {"events": events.count, "publications": releases.count}
        self.checked |= {"positions": positions.count}
        return violations

    async def check_channels(self, ledger: LedgerPass) -> list[Violation]:
        """Check rows that serve all recipients at once: pages, feeds, articles."""
        violations = await check_articles(self.context, ledger.outcomes)
        if self.audit is None:
            self.skipped.append(Skipped(what="portal", why="its folder was not named"))
            return violations
        portal = PortalRules(self.context, self.audit, ledger.outcomes, self.skipped)
        violations += await portal.violations()
        self.checked |= {"items": portal.items, "files": self.audit.files_checked}
        return violations


async def _find_unsealed_records(bus: Bus) -> list[Violation]:
    """Name them; the rules that read records have left them out. Empty without the key file."""
    violations: list[Violation] = []
    for name in SEALED_BUCKETS:
        bucket = bus.bucket(name)
        if isinstance(bucket, VerifiedBucket):
            violations += await _unsealed_in(bucket)
    return violations


async def _find_unsealed_facts(bus: Bus) -> list[Violation]:
    """Name what units are told and Loa did not write. Empty without the key file."""
    stream, seals = subjects.STATUS.name, bus.seals_of(subjects.STATUS.subjects[0])
    if seals is None or isinstance(seals, RefusedSeals):
        return []
    if not await topology.stream_exists(bus, stream):
        return []
    return [
        Violation(rule="record-unsealed", key=f"{stream}.{message.seq}", detail=reason)
        async for message in bus.scan(stream)
        if (reason := await seals.problem(message))
    ]


def _wrong_acts(audit: Audit) -> list[Violation]:
    """Name what Loa did not write in the editorial log, and items whose acts do not fit."""
    return [
        *(
            Violation(rule="record-unsealed", key=f"{subjects.EDITORIAL.name}.{seq}", detail=why)
            for seq, why in audit.foreign.items()
        ),
        *(
            Violation(rule="acts-broken", key=subjects.editorial(name), detail=why)
            for name, why in audit.broken.items()
        ),
    ]


async def _unsealed_in(bucket: VerifiedBucket) -> list[Violation]:
    if bucket.name not in _READ_BY_OTHER_RULES:
        async for _ in bucket.values():
            """Reading verifies."""
    return [
        Violation(rule="record-unsealed", key=f"{bucket.name}.{key}", detail=reason)
        for key, reason in sorted(bucket.seals.refused.items())
    ]
