"""Whether a signed-in account may do an action now: roles, second factor, a second person."""

from dataclasses import dataclass
from typing import NamedTuple

from consumers.messages import field_error
from consumers.staff.accounts import Account, AccountStore
from consumers.staff.policy import ObjectFacts, Policy, Ruling
from consumers.staff.proposals import Proposals
from consumers.staff.sessions import SignedIn
from contracts.base.times import Clock, format_utc, utc_now
from contracts.errors import Unauthorized


class Act(NamedTuple):
    """An action on an object; *arguments* make it the same action for a second person."""

    action: str
    facts: ObjectFacts = ObjectFacts()
    arguments: object = None


class Actor(NamedTuple):
    """The person who acts, as records name them.

    `by`: an account's id, or a name in place of one. `session`: when the session started.
    """

    by: str
    name: str = ""
    role: str = ""
    session: str = ""

    @classmethod
    def of(cls, signed_in: SignedIn, role: str) -> "Actor":
        account, started = signed_in.account, format_utc(signed_in.session.started)
        return cls(account.id, account.name, role, started)


@dataclass(frozen=True)
class Authorizer:
    """Decides about acts, and records who has agreed to an act for two."""

    accounts: AccountStore
    policy: Policy
    clock: Clock

    @property
    def proposals(self) -> Proposals:
        return Proposals(self.accounts, self.policy)

    def lacks_second_factor(self, signed_in: SignedIn) -> bool:
        """Whether the session has none although the account's roles ask for one."""
        is_needed = self.policy.needs_second_factor(signed_in.account.grants)
        return is_needed and signed_in.session.second_factor is None

    def needs_step_up(self, signed_in: SignedIn, action: str) -> bool:
        """Whether *action* asks for a second factor, and the last one is over 5 minutes old."""
        return self.policy.needs_step_up(action) and not self.is_stepped_up(signed_in)

    def is_stepped_up(self, signed_in: SignedIn) -> bool:
        return signed_in.session.is_stepped_up(utc_now(self.clock))

    async def decide(self, account: Account, act: Act) -> Ruling:
        """Decide; where a second person is needed, record this one. Raises Forbidden."""
        return await self.proposals.authorize(account, act.action, act.facts, act.arguments)

    def require_second_factor(self, signed_in: SignedIn) -> None:
        """Raises Unauthorized for a session that lacks it."""
        if self.lacks_second_factor(signed_in):
            raise Unauthorized(field_error("code", "second_factor_required"))
