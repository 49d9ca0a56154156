"""Acts of account managers on accounts, units and keys, at the command line and at the desk.

An act is data: a second person sees and confirms exactly what the first one proposed.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, ClassVar, Literal, NamedTuple, Protocol, Self

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from consumers.audit import log as audit
from consumers.messages import field_error
from consumers.staff.accounts import (
    Account,
    AccountStore,
    NewAccount,
    OidcSubject,
    check_new_account,
    is_id,
)
from consumers.staff.authorization import Actor, Authorizer
from consumers.staff.oidc.links import IdentityLinks
from consumers.staff.oidc.people import PendingPeople
from consumers.staff.policy import Grant, Policy
from consumers.staff.proposals import OpenProposal
from consumers.staff.sessions import SignedIn
from contracts import events
from contracts.base.fields import ID_PATTERN
from contracts.base.times import utc_now
from contracts.delivery import ChannelName
from contracts.errors import Conflict, Invalid, NotFound
from contracts.subscriptions.transactional import mask_address
from contracts.trials.records import Guest
from contracts.vocabulary import Vocabulary

MANAGE, DISABLE = "manage-people", "disable-account"
_NO_ADDRESS = "none"
_NOT_IN_AUDIT = {"do", "account", "unit", "login", "name", "address", "shown"}
_ReleaseMode = Literal["automatic", "desk"]


class UnitKeys(Protocol):
    """The registry of units and their API keys. Raises Invalid or Conflict."""

    async def add(
        self,
        unit: str,
        *,
        release: _ReleaseMode,
        urgent: bool = False,
        notices: Sequence[ChannelName] = (),
    ) -> str: ...
    async def update(self, unit: str, **rules: object) -> object: ...
    async def rotate(self, unit: str, *, now: bool = False) -> str: ...
    async def revoke(self, unit: str) -> None: ...
    async def add_bus_key(self, unit: str) -> str: ...
    async def revoke_bus_key(self, unit: str, key_id: str) -> None: ...
    async def renew_trial_key(self, unit: str, *, now: bool = False) -> str: ...
    async def revoke_trial_keys(self, unit: str) -> None: ...
    async def add_guest(self, unit: str, guest: Guest) -> None: ...
    async def remove_guest(self, unit: str, guest_id: str) -> None: ...


class Done(NamedTuple):
    """The result of an act; `secret` is shown once: an invitation's code, or an API key."""

    account: Account | None = None
    secret: str = ""


class _Act(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    action: ClassVar[str] = MANAGE

    @property
    def object_id(self) -> str:
        """The object of the act, as the audit log names it."""
        return ""

    @property
    def arguments(self) -> dict[str, object]:
        """The act as a proposal keeps it."""
        return self.model_dump(mode="json")


class _AccountAct(_Act):
    account: str

    @property
    def object_id(self) -> str:
        return self.account


class AddAccount(_Act):
    """A new account, with an invitation."""

    do: Literal["staff.add"] = "staff.add"
    login: str
    name: str
    unit: str
    roles: tuple[str, ...]

    @property
    def object_id(self) -> str:
        return self.login

    async def perform(self, admin: "Administration", by: str) -> Done:
        grants = admin.checked_grants(self.roles, self.unit)
        wanted = NewAccount(login=self.login, name=self.name, unit=self.unit, grants=grants)
        return Done(*await admin.accounts.add(wanted, by))


class SetRoles(_AccountAct):
    """Other roles; the account's sessions end."""

    do: Literal["staff.roles"] = "staff.roles"
    roles: tuple[str, ...]

    async def perform(self, admin: "Administration", _: str) -> Done:
        account = await admin.require(self.account)
        grants = admin.checked_grants(self.roles, account.unit)
        return Done(await admin.accounts.set_grants(account.id, grants))


class EnableAccount(_AccountAct):
    """A disabled account works again."""

    do: Literal["staff.enable"] = "staff.enable"

    async def perform(self, admin: "Administration", _: str) -> Done:
        account = await admin.require(self.account)
        return Done(await admin.accounts.set_state(account.id, "active"))


class DisableAccount(_AccountAct):
    """An account can't sign in any more; its sessions end."""

    do: Literal["staff.disable"] = "staff.disable"
    action: ClassVar[str] = DISABLE

    async def perform(self, admin: "Administration", _: str) -> Done:
        account = await admin.require(self.account)
        return Done(await admin.accounts.set_state(account.id, "disabled"))


class ResetAccount(_AccountAct):
    """A new invitation in place of password and authenticator app."""

    do: Literal["staff.reset"] = "staff.reset"

    async def perform(self, admin: "Administration", _: str) -> Done:
        account = await admin.require(self.account)
        if account.state == "disabled":  # its code would not work
            raise Conflict(field_error("account", "staff_disabled", value=account.login))
        return Done(account, await admin.accounts.reset(account.id))


class SetAddress(_AccountAct):
    """Another mail address, encrypted, or none. `shown` is what people see of it, masked."""

    do: Literal["staff.address"] = "staff.address"
    address: str
    shown: str

    @classmethod
    def of(cls, account_id: str, address: str, encrypted: str) -> Self:
        shown = mask_address(address) if address else _NO_ADDRESS
        return cls(account=account_id, address=encrypted, shown=shown)

    async def perform(self, admin: "Administration", _: str) -> Done:
        account = await admin.require(self.account)
        return Done(await admin.accounts.set_mail(account.id, address=self.address))


class LinkIdentity(_AccountAct):
    """A person of the identity provider signs in to the account; its sessions end."""

    do: Literal["staff.link"] = "staff.link"
    issuer: str
    subject: str

    async def perform(self, admin: "Administration", _: str) -> Done:
        identity = OidcSubject(issuer=self.issuer, subject=self.subject)
        account = await admin.require(self.account)
        linked = await IdentityLinks(admin.accounts).link(account.id, identity)
        await PendingPeople(admin.accounts.bus, admin.accounts.clock).remove(identity)
        return Done(linked)


class UnlinkIdentity(_AccountAct):
    """No person of the identity provider signs in to the account; its sessions end."""

    do: Literal["staff.unlink"] = "staff.unlink"

    async def perform(self, admin: "Administration", _: str) -> Done:
        account = await admin.require(self.account)
        return Done(await IdentityLinks(admin.accounts).unlink(account.id))


class _UnitAct(_Act):
    unit: str

    @property
    def object_id(self) -> str:
        return self.unit


class _UnitRules(_UnitAct):
    release: _ReleaseMode
    urgent: bool
    notices: tuple[ChannelName, ...] = Field(min_length=1)


class AddUnit(_UnitRules):
    """A new unit, with its first key."""

    do: Literal["units.add"] = "units.add"

    async def perform(self, admin: "Administration", _: str) -> Done:
        key = await admin.units.add(
            self.unit, release=self.release, urgent=self.urgent, notices=self.notices
        )
        return Done(secret=key)


class SetUnit(_UnitRules):
    """Other rules for what a unit may do."""

    do: Literal["units.set"] = "units.set"

    async def perform(self, admin: "Administration", _: str) -> Done:
        rules = {"release": self.release, "urgent": self.urgent, "notices": self.notices}
        await admin.units.update(self.unit, **rules)
        return Done()


class RotateKey(_UnitAct):
    """A new key for a unit; the old one works for 24 hours more, with `now` not at all."""

    do: Literal["units.rotate"] = "units.rotate"
    now: bool = False

    async def perform(self, admin: "Administration", _: str) -> Done:
        return Done(secret=await admin.units.rotate(self.unit, now=self.now))


class RevokeKeys(_UnitAct):
    """No key of a unit works any more."""

    do: Literal["units.revoke"] = "units.revoke"
    action: ClassVar[str] = DISABLE

    async def perform(self, admin: "Administration", _: str) -> Done:
        await admin.units.revoke(self.unit)
        return Done()


class AddBusKey(_UnitAct):
    """One more key with which a unit signs in to the bus."""

    do: Literal["units.bus-key"] = "units.bus-key"

    async def perform(self, admin: "Administration", _: str) -> Done:
        return Done(secret=await admin.units.add_bus_key(self.unit))


class RevokeBusKey(_UnitAct):
    """One key for the bus does not work any more."""

    do: Literal["units.bus-key-revoke"] = "units.bus-key-revoke"
    action: ClassVar[str] = DISABLE
    key: str

    async def perform(self, admin: "Administration", _: str) -> Done:
        await admin.units.revoke_bus_key(self.unit, self.key)
        return Done()


class RenewTrialKey(_UnitAct):
    """A new key for trials; the old one works for 24 hours more, with `now` not at all."""

    do: Literal["units.trial-key"] = "units.trial-key"
    now: bool = False

    async def perform(self, admin: "Administration", _: str) -> Done:
        return Done(secret=await admin.units.renew_trial_key(self.unit, now=self.now))


class RevokeTrialKeys(_UnitAct):
    """No key of a unit for trials works any more."""

    do: Literal["units.trial-key-revoke"] = "units.trial-key-revoke"
    action: ClassVar[str] = DISABLE

    async def perform(self, admin: "Administration", _: str) -> Done:
        await admin.units.revoke_trial_keys(self.unit)
        return Done()


class AddGuest(_UnitAct):
    """One more guest of a unit's trials. `address` is encrypted, `shown` is masked."""

    do: Literal["units.guest"] = "units.guest"
    guest: str
    address: str
    shown: str

    async def perform(self, admin: "Administration", _: str) -> Done:
        added = utc_now(admin.accounts.clock)
        guest = Guest(id=self.guest, address=self.address, added=added)
        await admin.units.add_guest(self.unit, guest)
        return Done()


class RemoveGuest(_UnitAct):
    """A guest gets no trials of a unit any more."""

    do: Literal["units.guest-remove"] = "units.guest-remove"
    action: ClassVar[str] = DISABLE
    guest: str
    shown: str

    async def perform(self, admin: "Administration", _: str) -> Done:
        await admin.units.remove_guest(self.unit, self.guest)
        return Done()


StaffAct = (
    AddAccount
    | SetRoles
    | EnableAccount
    | DisableAccount
    | ResetAccount
    | SetAddress
    | LinkIdentity
    | UnlinkIdentity
    | AddUnit
    | SetUnit
    | RotateKey
    | RevokeKeys
    | AddBusKey
    | RevokeBusKey
    | RenewTrialKey
    | RevokeTrialKeys
    | AddGuest
    | RemoveGuest
)
ACTS: TypeAdapter[StaffAct] = TypeAdapter(Annotated[StaffAct, Field(discriminator="do")])


class WaitingAct(NamedTuple):
    """An act that an account manager has proposed. `subject`: the account that it changes."""

    id: str
    act: StaffAct
    proposers: tuple[Account, ...]
    at: datetime | None
    subject: Account | None


@dataclass(frozen=True)
class WaitingActs:
    """Acts of one account manager that wait for a second one."""

    rules: Authorizer

    async def all(self) -> list[WaitingAct]:
        """Waiting proposals, oldest first."""
        waiting = await self.rules.proposals.waiting(MANAGE)
        found = [await self._act_of(one) for one in waiting]
        return [one for one in found if one]

    async def _act_of(self, waiting: OpenProposal) -> WaitingAct | None:
        """The act of a proposal; None for one of another kind."""
        id, proposal = waiting
        try:
            act = ACTS.validate_python(proposal.arguments)
        except ValidationError:
            return None
        find = self.rules.accounts.find
        proposers = [await find(one.account) for one in proposal.agreed]
        subject = await find(getattr(act, "account", "none"))
        return WaitingAct(id, act, tuple(one for one in proposers if one), proposal.at, subject)

    async def refuse(self, signed_in: SignedIn, id: str) -> None:
        """Remove what waits under *id*, also of one's own. Raises NotFound for what waits no more.

        The account of *signed_in* may manage people.
        """
        if not await self.rules.proposals.refuse(MANAGE, id):
            raise NotFound(field_error("proposal", "proposal_gone"))
        record = Actor.of(signed_in).record_of("refuse", signed_in.account.id, id)
        await self.rules.audit_log.record(record)


@dataclass(frozen=True)
class Administration:
    """Carries out acts that have been authorized."""

    accounts: AccountStore
    units: UnitKeys
    policy: Policy
    vocabulary: Vocabulary

    async def check(self, act: StaffAct) -> None:
        """Check an act before it is proposed to a second person. Raises Invalid, NotFound."""
        if isinstance(act, AddAccount):
            check_new_account(act.login, act.name)
            self.checked_grants(act.roles, act.unit)
        elif isinstance(act, AddUnit):
            if wrong := events.unit_error("unit", act.unit, self.vocabulary):
                raise Invalid(wrong)
        elif isinstance(act, _AccountAct):
            account = await self.require(act.account)
            if isinstance(act, LinkIdentity) and not is_id(act.subject):
                raise Invalid(field_error("subject", "subject_unusable"))
            self.checked_grants(getattr(act, "roles", ()), account.unit)

    async def perform(self, act: StaffAct, actor: Actor) -> Done:
        """Do what *act* says, with intent and outcome in the audit log.

        Raises Invalid, Conflict, NotFound for an unknown account.
        """
        facts = act.model_dump(mode="json", exclude=_NOT_IN_AUDIT)
        after = json.dumps(facts, sort_keys=True) if facts else ""
        record = actor.record_of(act.do, act.object_id, after)
        log = audit.AuditLog(self.accounts.bus, self.accounts.clock)
        return await log.perform(record, lambda: act.perform(self, actor.by))

    async def require(self, account_id: str) -> Account:
        """Raises NotFound for an unknown account."""
        is_id = re.fullmatch(ID_PATTERN, account_id)
        if is_id and (account := await self.accounts.find(account_id)):
            return account
        raise NotFound(field_error("account", "account_unknown", value=account_id))

    def checked_grants(self, written: Sequence[str], unit: str) -> tuple[Grant, ...]:
        """Roles as people write them.

        Raises Invalid for an unknown unit, topic or role, or roles that exclude each other.
        """
        grants = tuple(map(Grant.parse, written))
        units = [unit, *(one for grant in grants for one in grant.units)]
        topics = [one for grant in grants for one in grant.topics]
        wrong = [events.unit_error("unit", one, self.vocabulary) for one in units]
        wrong += [
            self.vocabulary.word_error("topic", "topic", one)
            for one in topics
            if not self.vocabulary.knows("topic", one)
        ]
        if found := [error for error in wrong if error]:
            raise Invalid(*found)
        self.policy.check_grants(grants)
        return grants
