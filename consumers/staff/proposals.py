"""Actions that take two people: the first one proposes, the second one does the same."""

import hashlib
import json
from dataclasses import dataclass, replace

from pydantic import BaseModel, ConfigDict

from consumers.staff.accounts import AccountStore
from consumers.staff.policy import Agreement, ObjectFacts, Person, Policy, Ruling, Verdict
from contracts import subjects
from contracts.errors import Forbidden
from producers.bus import RevisionConflict, records


class Proposal(BaseModel):
    """Bucket `sessions`, key `proposal.<digest of the action>`: who has agreed, in which role."""

    model_config = ConfigDict(frozen=True)

    agreed: tuple[Agreement, ...] = ()

    def with_agreement(self, agreement: Agreement) -> "Proposal":
        return self if agreement in self.agreed else Proposal(agreed=(*self.agreed, agreement))


def _action_key(action: str, arguments: object) -> str:
    """The key of an action with its arguments: the same only for exactly the same action."""
    canonical = json.dumps([action, arguments], ensure_ascii=False, sort_keys=True)
    return f"proposal.{hashlib.sha256(canonical.encode()).hexdigest()}"


@dataclass
class Proposals:
    """Proposals live for a day, and count while their accounts may still do the action."""

    accounts: AccountStore
    policy: Policy

    def __post_init__(self) -> None:
        self.bucket = self.accounts.bus.bucket(subjects.SESSIONS.name)

    async def authorize(
        self, person: Person, action: str, facts: ObjectFacts, arguments: object
    ) -> Ruling:
        """Decide; where a second person is needed, record this one. Raises Forbidden.

        An action that is allowed uses its proposal up.
        """
        key = _action_key(action, arguments)
        known = await records.read(self.bucket, key, Proposal)
        agreed = await self._valid(known.value, action, facts)
        ruling = self.policy.is_allowed(person, action, replace(facts, agreed=agreed))
        if ruling.verdict is Verdict.REFUSED:
            raise Forbidden(ruling.as_error(action))
        if ruling.verdict is Verdict.NEEDS_SECOND:
            mine = Agreement(person.id, ruling.role)
            await records.update_or_create(
                self.bucket, key, Proposal, lambda proposal: proposal.with_agreement(mine)
            )
        elif known.value and not await self._use_up(key, known.revision):
            return await self.authorize(person, action, facts, arguments)
        return ruling

    async def _use_up(self, key: str, revision: int) -> bool:
        """Remove a proposal; False if another account has used it or added to it meanwhile."""
        try:
            await self.bucket.purge_if(key, revision)
        except RevisionConflict:
            return False
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
