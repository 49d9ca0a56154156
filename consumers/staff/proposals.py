"""Actions that take two people: the first one proposes, the second one does the same."""

import hashlib
import json
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from pydantic import BaseModel, ConfigDict

from consumers.messages import field_error
from consumers.staff.accounts import AccountStore
from consumers.staff.policy import Agreement, ObjectFacts, Person, Policy, Ruling, Verdict
from contracts import subjects
from contracts.base.crash_points import crash_point
from contracts.base.retention import DEFAULT as DEFAULT_RETENTION
from contracts.base.times import utc_now
from contracts.errors import Conflict, Forbidden
from producers.bus import RevisionConflict, records

_KEY_PREFIX = "proposal."
_ID = re.compile("[0-9a-f]{64}")


class Proposal(BaseModel):
    """Bucket `sessions`, key `proposal.<digest of the action>`: who has agreed, in which role."""

    model_config = ConfigDict(frozen=True)

    agreed: tuple[Agreement, ...] = ()
    action: str = ""
    arguments: Any = None
    at: datetime | None = None
    """When the first one agreed."""

    def with_agreement(self, agreement: Agreement) -> "Proposal":
        if agreement[:2] in {one[:2] for one in self.agreed}:
            return self
        return self.model_copy(update={"agreed": (*self.agreed, agreement)})


class OpenProposal(NamedTuple):
    """A proposal that waits for a second person, and its id."""

    id: str
    proposal: Proposal


def proposal_id(action: str, arguments: object) -> str:
    """The id of an action with its arguments: the same only for exactly the same action."""
    canonical = json.dumps([action, arguments], ensure_ascii=False, sort_keys=True)
    return hashlib.sha256(canonical.encode()).hexdigest()


def _people(proposal: Proposal | None) -> set[str]:
    """Who has agreed, valid or not."""
    return {one.account for one in proposal.agreed} if proposal else set()


class Asked(NamedTuple):
    """An action that a person asks for; *arguments* make it the same one for a second person.

    `uses_up`: where it is allowed its proposal is used up, else it stays until `Proposals.use_up`.
    `may_propose`: the person may be the first one, else agrees to what waits.
    """

    person: Person
    action: str
    facts: ObjectFacts
    arguments: object
    uses_up: bool = True
    may_propose: bool = True

    @property
    def key(self) -> str:
        return _KEY_PREFIX + proposal_id(self.action, self.arguments)


@dataclass
class Proposals:
    """Proposals count for *span*, and while their accounts may still do the action."""

    accounts: AccountStore
    policy: Policy
    span: timedelta = timedelta(days=DEFAULT_RETENTION.proposals)

    def __post_init__(self) -> None:
        self.bucket = self.accounts.bus.bucket(subjects.SESSIONS.name)

    async def authorize(self, asked: Asked) -> Ruling:
        """Decide; where a second person is needed, record this one.

        Raises Forbidden, Conflict where what waited was done or refused meanwhile.
        """
        known = await records.read(self.bucket, asked.key, Proposal)
        live, is_settled = self._live(known.value), True
        ruling = await self._rule(asked, live)
        if ruling.verdict is Verdict.NEEDS_SECOND:
            is_settled = await self._agree(asked, live, ruling.role)
        elif known.value and asked.uses_up:
            is_settled = await self._use_up(asked.key, known.revision)
        if is_settled:
            return ruling
        return await self.authorize(asked._replace(may_propose=False))

    async def _rule(self, asked: Asked, live: Proposal | None) -> Ruling:
        """The decision with what is agreed. Raises Forbidden."""
        agreed = await self._valid(live, asked.action, asked.facts)
        facts = replace(asked.facts, agreed=agreed)
        ruling = self.policy.is_allowed(asked.person, asked.action, facts)
        if ruling.verdict is Verdict.REFUSED:
            raise Forbidden(self.policy.refusal(ruling, asked.action))
        return ruling._replace(agreed=agreed)

    async def _agree(self, asked: Asked, seen: Proposal | None, role: str) -> bool:
        """Agree to the proposal that counts, or to a new one; False if others have meanwhile, too.

        Raises Conflict where there is none.
        """
        mine, is_new = Agreement(asked.person.id, role), seen is None and asked.may_propose
        new = Proposal(action=asked.action, arguments=asked.arguments) if is_new else None
        now = utc_now(self.accounts.clock)

        def agree(stored: Proposal | None) -> Proposal:
            if proposal := self._live(stored):
                return proposal.with_agreement(mine._replace(at=now))
            if new is None:
                raise Conflict(field_error("proposal", "proposal_gone"))
            return new.model_copy(update={"agreed": (mine._replace(at=now),), "at": now})

        stored = await records.update(self.bucket, asked.key, Proposal, agree)
        return _people(stored.value) <= _people(seen) | {mine.account}

    async def use_up(self, action: str, arguments: object) -> None:
        """Remove the proposal of an action that is done."""
        key = _KEY_PREFIX + proposal_id(action, arguments)
        known = await records.read(self.bucket, key, Proposal)
        if known.value:
            await self._use_up(key, known.revision)

    async def agreed(self, action: str, facts: ObjectFacts, arguments: object) -> tuple[str, ...]:
        """The accounts that have done their half of an action."""
        agreed = await self.agreements(action, facts, arguments)
        return tuple(one.account for one in agreed)

    async def agreements(
        self, action: str, facts: ObjectFacts, arguments: object
    ) -> tuple[Agreement, ...]:
        """Who has done half of an action, in which role."""
        key = _KEY_PREFIX + proposal_id(action, arguments)
        known = (await records.read(self.bucket, key, Proposal)).value
        return await self._valid(self._live(known), action, facts)

    async def waiting(self, action: str) -> list[OpenProposal]:
        """The proposals of *action* that still count, oldest first."""
        found = []
        async for key, value in self.bucket.values(_KEY_PREFIX):
            proposal = Proposal.model_validate_json(value.data)
            live = self._live(proposal) if proposal.action == action else None
            if live and await self._valid(live, action, ObjectFacts()):
                found.append(OpenProposal(key.removeprefix(_KEY_PREFIX), proposal))
        return found

    async def refuse(self, action: str, id: str) -> Proposal | None:
        """Remove a proposal of *action*; None for one that is unknown, or used meanwhile."""
        if not _ID.fullmatch(id):
            return None
        known = await records.read(self.bucket, _KEY_PREFIX + id, Proposal)
        if known.value is None or known.value.action != action:
            return None
        return known.value if await self._use_up(_KEY_PREFIX + id, known.revision) else None

    async def older_than(self, before: datetime) -> AsyncIterator[tuple[str, int, datetime]]:
        """Key, revision and time of each proposal that the first one agreed to before *before*."""
        async for key, value in self.bucket.values(_KEY_PREFIX):
            proposal = records.parse(Proposal, value.data)
            since = (proposal.at if proposal else None) or value.created
            if since < before:
                yield key, value.revision, since

    def _live(self, proposal: Proposal | None) -> Proposal | None:
        """The proposal, unless it is too old to count."""
        since = proposal.at if proposal else None
        return None if since and since < utc_now(self.accounts.clock) - self.span else proposal

    async def _use_up(self, key: str, revision: int) -> bool:
        """Remove a proposal; False if another account has used it or added to it meanwhile."""
        try:
            await self.bucket.purge_if(key, revision)
        except RevisionConflict:
            return False
        crash_point("proposals.used_up")
        return True

    async def _valid(
        self, proposal: Proposal | None, action: str, facts: ObjectFacts
    ) -> tuple[Agreement, ...]:
        """The agreements of accounts that still have their role and may still do the action."""
        valid = []
        for agreement in proposal.agreed if proposal else ():
            account = await self.accounts.find(agreement.account)
            if account is None or agreement.role not in {one.role for one in account.grants}:
                continue
            if self.policy.is_allowed(account, action, facts).verdict is not Verdict.REFUSED:
                valid.append(agreement)
        return tuple(valid)
