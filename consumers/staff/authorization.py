"""Whether a signed-in account may do an action now: roles, second factor, a second person."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import NamedTuple

from consumers.audit import log as audit
from consumers.messages import field_error
from consumers.staff.accounts import Account, AccountStore
from consumers.staff.policy import Agreement, ObjectFacts, Policy, Ruling, Verdict
from consumers.staff.proposals import Asked, Proposals, proposal_id
from consumers.staff.sessions import SignedIn
from contracts.base.retention import DEFAULT as DEFAULT_RETENTION
from contracts.base.times import Clock, format_utc, utc_now
from contracts.desk.roles import READ_DRAFTS
from contracts.errors import Forbidden, Unauthorized

PROPOSED_BY = "proposed by "
"""The beginning of a record's reason that names those who had agreed before."""

ACTIONS: Mapping[str, str] = {
    "audit.export": "audit",
    "audit.read": "audit",
    "backup": "operate",
    "bus.accept": "restore",
    "callbacks.add": "manage-people",
    "callbacks.enable": "operate",
    "callbacks.remove": "operate",
    "callbacks.replay": "operate",
    "callbacks.rotate": "manage-people",
    "channel.pause": "operate",
    "channel.resume": "operate",
    "dead.discard": "operate",
    "dead.edit": "edit-dead-letter",
    "dead.replay": "operate",
    "feeds.add": "operate",
    "feeds.now": "operate",
    "feeds.remove": "operate",
    "file.upload": "write",
    "key.replace": "restore",
    "mail.reconcile": "operate",
    "mail.release": "operate",
    "report.authors": "edit",
    "report.seal": "edit",
    "restore": "restore",
    "restore.end-doubt": "restore",
    "retention.run": "manage-readers",
    "subscribers.export": "manage-readers",
    "subscribers.find": "manage-readers",
    "subscribers.import": "manage-readers",
    "subscribers.remove": "manage-readers",
    "suppressed.find": "manage-readers",
    "suppressed.lift": "manage-readers",
    "withdraw": "withdraw",
    "zalo.connect": "operate",
    "zalo.settle": "operate",
    "zalo.templates": "operate",
}
"""Acts of commands and pages, and the action of `roles.toml` that each takes.

`administration` has others.
"""
READS: Mapping[str, tuple[str, ...]] = {
    "dead.read": ("edit-dead-letter", "operate", READ_DRAFTS),
    "desk.links": ("write", "confirm", "edit", "approve"),
    "desk.read": (READ_DRAFTS,),
    "item.read": ("operate", READ_DRAFTS),
    "subscribers.list": ("manage-readers", "operate"),
    "unit.read": ("edit-dead-letter", "confirm", "operate", "manage-people", "disable-account"),
}
"""Views of content that is not public, and the actions of which one is enough."""


class Act(NamedTuple):
    """An action on an object; *arguments* make it the same action for a second person.

    `is_of_state`: they name the state that the action changes, so that it can't be done twice. Its
    proposal stays until it is done, and is then used up by `Authorizer.use_up`. `may_propose`: the
    person may be the first one, else agrees to what waits. `require_open` raises Conflict where
    others have done it meanwhile: nothing waits then, and no proposal is recorded.
    """

    action: str
    facts: ObjectFacts = ObjectFacts()
    arguments: object = None
    is_of_state: bool = False
    may_propose: bool = True
    require_open: Callable[[], Awaitable[None]] | None = None


class Actor(NamedTuple):
    """The person who acts, as records name them.

    `by`: an account's id, or a name in place of one. `session`: when the session started.
    `agreed`: who proposed the act before.
    """

    by: str
    name: str = ""
    role: str = ""
    session: str = ""
    agreed: tuple[Agreement, ...] = ()

    @classmethod
    def of(cls, signed_in: SignedIn, ruling: Ruling | None = None) -> "Actor":
        """The account of a session; *ruling* has allowed the act."""
        account, started = signed_in.account, format_utc(signed_in.session.started)
        if ruling is None:
            return cls(account.id, account.name, session=started)
        return cls(account.id, account.name, ruling.role, started, ruling.agreed)

    def record_of(self, action: str, object_id: str, after: str = "") -> audit.Act:
        """The act as the audit log has it."""
        agreed = ", ".join(one.account for one in self.agreed)
        reason = f"{PROPOSED_BY}{agreed}" if agreed else ""
        return audit.Act(
            action, object_id, self.by, "", after, reason, role=self.role, session=self.session
        )


@dataclass(frozen=True)
class Authorizer:
    """Decides about acts, and records who has agreed to an act for two."""

    accounts: AccountStore
    policy: Policy
    clock: Clock
    proposal_span: timedelta = timedelta(days=DEFAULT_RETENTION.proposals)

    @property
    def proposals(self) -> Proposals:
        return Proposals(self.accounts, self.policy, self.proposal_span)

    def lacks_second_factor(self, signed_in: SignedIn) -> bool:
        """Whether the session has none although the account's roles ask for one."""
        is_needed = self.policy.needs_second_factor(signed_in.account.grants)
        return is_needed and signed_in.session.second_factor is None

    def needs_step_up(self, signed_in: SignedIn, action: str) -> bool:
        """Whether *action* asks for a second factor, and the last one is over 5 minutes old."""
        return self.policy.needs_step_up(action) and not self.is_stepped_up(signed_in)

    def is_stepped_up(self, signed_in: SignedIn) -> bool:
        return signed_in.session.is_stepped_up(utc_now(self.clock))

    @property
    def audit_log(self) -> audit.AuditLog:
        return audit.AuditLog(self.accounts.bus, self.clock)

    async def decide(self, signed_in: SignedIn, act: Act) -> Ruling:
        """Decide; where a second person is needed, record this one.

        Raises Forbidden, Conflict where what waited was done or refused meanwhile, and as
        `Act.require_open`.
        """
        asked = Asked(signed_in.account, act.action, act.facts, act.arguments)
        ruling = await self.proposals.authorize(
            asked._replace(uses_up=not act.is_of_state, may_propose=act.may_propose)
        )
        if ruling.verdict is Verdict.NEEDS_SECOND:
            if act.require_open:
                await act.require_open()
            id = proposal_id(act.action, act.arguments)
            record = Actor.of(signed_in, ruling).record_of("propose", act.action, after=id)
            await self.audit_log.record(record)
        return ruling

    async def use_up(self, act: Act) -> None:
        """Remove the agreements to *act*, which is done."""
        await self.proposals.use_up(act.action, act.arguments)

    async def require_still(self, account_id: str, act: Act) -> None:
        """Raises Forbidden if the account, as it is now, has lost the right meanwhile.

        Nor may an act for two have lost the first one's agreement; it is asked for where it stays
        until the act is done.
        """
        account = await self.accounts.find(account_id)
        if account is None:
            raise Forbidden
        ruling, least = self.policy.is_allowed(account, act.action, act.facts), Verdict.NEEDS_SECOND
        if act.is_of_state:
            ruling, least = await self._rule_again(account, act, ruling), Verdict.ALLOWED
        if ruling.verdict < least:
            raise Forbidden(self.policy.refusal(ruling, act.action))

    async def _rule_again(self, account: Account, act: Act, alone: Ruling) -> Ruling:
        """The decision with what has been agreed; *alone*: the one without."""
        if alone.verdict is not Verdict.NEEDS_SECOND:
            return alone
        agreed = await self.proposals.agreements(act.action, act.facts, act.arguments)
        return self.policy.is_allowed(account, act.action, replace(act.facts, agreed=agreed))

    def require_second_factor(self, signed_in: SignedIn) -> None:
        """Raises Unauthorized for a session that lacks it."""
        if self.lacks_second_factor(signed_in):
            raise Unauthorized(field_error("code", "second_factor_required"))


@dataclass(frozen=True)
class ReadingRight:
    """The scope of a person's reading: all that one of *actions* of the roles reaches.

    Without an account everything: before the first account, and as break-glass of *by*.
    """

    policy: Policy
    actions: Sequence[str]
    account: Account | None = None
    by: str = ""

    def covers(self, facts: ObjectFacts) -> bool:
        return self._decide(facts).verdict is Verdict.ALLOWED

    def reads_drafts(self, facts: ObjectFacts) -> bool:
        """Whether the person may also read what is not out, and what people wrote about it."""
        return replace(self, actions=(READ_DRAFTS,)).covers(facts)

    def require(self, facts: ObjectFacts) -> None:
        """Raises Forbidden with the reason."""
        ruling = self._decide(facts)
        if ruling.verdict is not Verdict.ALLOWED:
            raise Forbidden(self.policy.refusal(ruling, self.actions[0]))

    def _decide(self, facts: ObjectFacts) -> Ruling:
        """The best decision; of refusals, that of a role which has the action."""
        account = self.account
        if account is None:
            return Ruling(Verdict.ALLOWED)
        rulings = [self.policy.is_allowed(account, action, facts) for action in self.actions]
        return max(rulings, key=lambda one: (one.verdict, bool(one.role)))
