"""Accounts of staff: an opaque id, name, unit, roles, state, and how the person signs in.

Bucket `staff`: `account.<id>` is the account, `login.<login>` the id of a sign-in name. Every
change is a compare-and-set. `generation` counts the changes that end an account's sessions.
"""

import hashlib
import hmac
import re
import secrets
from base64 import b32encode
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from pydantic import BaseModel, ConfigDict

from consumers.messages import field_error
from consumers.staff.policy import Grant
from contracts import errors, subjects
from contracts.base.fields import ID_PATTERN
from contracts.base.times import Clock, utc_now
from contracts.desk.staff_mail import MailChoice
from contracts.errors import Conflict, Invalid
from producers.bus import Bus, RevisionConflict, records

AccountState = Literal["invited", "active", "disabled"]
_MAX_ID = 255
_INVITATION_LIFETIME = timedelta(hours=72)
_USE_PRECISION = timedelta(days=1)
_ID_PREFIX = "nv-"
_ID_BYTES = 10
_INVITATION_BYTES = 20
_NAME_MAX = 150
_FAMILIAR_NETWORKS = 5
_NO_ACCOUNT = "none"


def _base32(data: bytes) -> str:
    return b32encode(data).decode().rstrip("=").lower()


class LocalSignIn(BaseModel):
    """A password hash, the encrypted TOTP secret, and the last time step that was used."""

    model_config = ConfigDict(frozen=True)

    password: str
    totp: str | None = None
    used_step: int = 0


def is_id(value: object) -> bool:
    """Whether *value* can be a provider's identifier: 1 to 255 visible ASCII characters."""
    if not isinstance(value, str) or not 0 < len(value) <= _MAX_ID:
        return False
    return value.isascii() and value.isprintable()


class OidcSubject(BaseModel):
    """The person at an OpenID Connect provider."""

    model_config = ConfigDict(frozen=True)

    issuer: str
    subject: str

    @property
    def digest(self) -> str:
        """The identity as part of a key: subjects may have any character."""
        return hashlib.sha256(f"{self.issuer}\x00{self.subject}".encode()).hexdigest()


class Invitation(BaseModel):
    """A one-use code, as SHA-256, with which a person sets a password and a second factor."""

    model_config = ConfigDict(frozen=True)

    hash: str
    until: datetime

    def accepts(self, code: str, now: datetime) -> bool:
        return hmac.compare_digest(self.hash, _code_hash(code)) and now < self.until


class Account(BaseModel):
    """One person's account. `name` may change; `id` is what records name."""

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)

    id: str
    login: str
    name: str
    unit: str
    grants: tuple[Grant, ...] = ()
    state: AccountState = "invited"
    local: LocalSignIn | None = None
    oidc: OidcSubject | None = None
    invitation: Invitation | None = None
    networks: tuple[str, ...] = ()
    """Keyed digests of the networks from which the person signed in last."""
    generation: int = 0
    created: datetime
    created_by: str = ""
    used: datetime | None = None
    """The last sign-in, to the day, or when the account was enabled."""
    address: str = ""
    """The mail address as `consumers.staff.mail.addresses` encrypts it; empty for none."""
    mail: MailChoice = MailChoice()

    @property
    def is_active(self) -> bool:
        return self.state == "active"

    @property
    def last_used(self) -> datetime:
        return self.used or self.created

    @property
    def has_totp(self) -> bool:
        """Whether signing in takes a code of an authenticator app."""
        return self.local is not None and self.local.totp is not None

    def ended_sessions(self, **changes: object) -> "Account":
        """The account with *changes*, all of its sessions ended."""
        return self.model_copy(update={**changes, "generation": self.generation + 1})

    def seen_from(self, network: str) -> "Account":
        """The account after a sign-in from a network (a keyed digest)."""
        others = tuple(one for one in self.networks if one != network)
        return self.model_copy(update={"networks": (network, *others)[:_FAMILIAR_NETWORKS]})


class NewAccount(BaseModel):
    """The fields that an account manager gives a new account."""

    model_config = ConfigDict(frozen=True)

    login: str
    name: str
    unit: str
    grants: tuple[Grant, ...]


def check_new_account(login: str, name: str) -> str:
    """The name as one clean line. Raises Invalid for a bad sign-in name or name."""
    if not login:
        raise Invalid(errors.field_error("login", "missing"))
    if not re.fullmatch(ID_PATTERN, login):
        raise Invalid(errors.field_error("login", "not_slug", value=login))
    if line := errors.check_line("name", name, _NAME_MAX):
        return line
    raise Invalid(errors.field_error("name", "missing"))


def _code_hash(code: str) -> str:
    plain = re.sub(r"[\s-]", "", code).lower()
    return hashlib.sha256(plain.encode("utf-8", "replace")).hexdigest()


def _new_invitation(now: datetime) -> tuple[str, Invitation]:
    code = _base32(secrets.token_bytes(_INVITATION_BYTES))
    return code, Invitation(hash=_code_hash(code), until=now + _INVITATION_LIFETIME)


@dataclass
class AccountStore:
    """The bucket `staff`. Raises BusError when the bus fails."""

    bus: Bus
    clock: Clock

    def __post_init__(self) -> None:
        self.bucket = self.bus.bucket(subjects.STAFF.name)

    async def find(self, account_id: str) -> Account | None:
        return (await records.read(self.bucket, f"account.{account_id}", Account)).value

    async def find_many(self, account_ids: Collection[str]) -> dict[str, Account]:
        """Those of the accounts that exist and can be read, by id, in one request."""
        values = await self.bucket.get_many([f"account.{id}" for id in account_ids])
        found = [records.parse(Account, value.data) for value in values.values()]
        return {account.id: account for account in found if account}

    async def find_by_login(self, login: str) -> Account | None:
        """The account of a sign-in name; an unknown name takes as many reads as a known one."""
        key = login if re.fullmatch(ID_PATTERN, login) else _NO_ACCOUNT
        value = await self.bucket.get(f"login.{key}")
        account = await self.find(value.data.decode() if value else _NO_ACCOUNT)
        return account if account and account.login == login else None

    async def require(self, login: str) -> Account:
        """The account of a sign-in name. Raises Invalid for an unknown one."""
        if account := await self.find_by_login(login):
            return account
        raise Invalid(field_error("login", "account_unknown", value=login))

    async def all(self) -> list[Account]:
        """Every account, by sign-in name."""
        pairs = [pair async for pair in self.bucket.values("account.")]
        accounts = {key: Account.model_validate_json(value.data) for key, value in pairs}
        return sorted(accounts.values(), key=lambda account: account.login)

    async def is_in_use(self) -> bool:
        """Whether an account was ever active: who disables all of them does not end their rule."""
        async for _, value in self.bucket.values("account."):
            account = Account.model_validate_json(value.data)
            if account.local or account.oidc or account.used:
                return True
        return False

    async def add(self, wanted: NewAccount, by: str) -> tuple[Account, str]:
        """Create an invited account; returns it with its one-use code.

        Raises Invalid for a bad sign-in name or name, Conflict for a sign-in name that is taken.
        """
        name = check_new_account(wanted.login, wanted.name)
        code, invitation = _new_invitation(utc_now(self.clock))
        account = Account(
            id=_ID_PREFIX + _base32(secrets.token_bytes(_ID_BYTES)),
            login=wanted.login,
            name=name,
            unit=wanted.unit,
            grants=wanted.grants,
            invitation=invitation,
            created=utc_now(self.clock),
            created_by=by,
        )
        claimed = await self._claim_login(account)
        await self.bucket.create(f"account.{account.id}", account.model_dump_json().encode())
        await self._keep_login(account, claimed)
        return account, code

    async def _keep_login(self, account: Account, claimed: int) -> None:
        """Write the name again, so that it can't be taken from before the account was there.

        Raises Conflict, and removes the account, if another one has taken it already.
        """
        try:
            await self.bucket.swap(f"login.{account.login}", account.id.encode(), claimed)
        except RevisionConflict:
            await self.bucket.purge(f"account.{account.id}")
            raise Conflict(field_error("login", "login_taken", value=account.login)) from None

    async def _claim_login(self, account: Account) -> int:
        """Point the sign-in name to the account, and return the revision.

        Raises Conflict when another one has it.
        """
        key, data = f"login.{account.login}", account.id.encode()
        known = await self.bucket.get(key)
        try:
            if known and await self.find(known.data.decode()):
                raise RevisionConflict(key)
            return await self.bucket.swap(key, data, known.revision if known else 0)
        except RevisionConflict as lost:
            raise Conflict(field_error("login", "login_taken", value=account.login)) from lost

    async def change(self, account_id: str, transition: Callable[[Account], Account]) -> Account:
        """Apply *transition* to a stored account."""
        key = f"account.{account_id}"

        def changed(known: Account | None) -> Account:
            return transition(records.require(known))

        return (await records.update(self.bucket, key, Account, changed)).value

    async def set_state(self, account_id: str, state: AccountState) -> Account:
        """Disable or enable an account. Its sessions end at once, in all processes."""

        def change(account: Account) -> Account:
            is_ready = account.local or account.oidc
            target = state if state == "disabled" or is_ready else "invited"
            used = utc_now(self.clock) if target == "active" else account.used
            return (
                account
                if account.state == target
                else account.ended_sessions(state=target, used=used)
            )

        return await self.change(account_id, change)

    async def set_grants(self, account_id: str, grants: tuple[Grant, ...]) -> Account:
        """Replace an account's roles; its sessions end, so that the next one has the new roles."""

        def change(account: Account) -> Account:
            return account if account.grants == grants else account.ended_sessions(grants=grants)

        return await self.change(account_id, change)

    async def reset(self, account_id: str) -> str:
        """Take password and second factor away; returns the one-use code for new ones."""
        code, invitation = _new_invitation(utc_now(self.clock))

        def change(account: Account) -> Account:
            if account.invitation == invitation:
                return account
            state = "disabled" if account.state == "disabled" else "invited"
            fresh = {"state": state, "local": None, "invitation": invitation, "networks": ()}
            return account.ended_sessions(**fresh)

        await self.change(account_id, change)
        return code

    async def set_mail(self, account_id: str, **changes: object) -> Account:
        """Change the account's mail address (encrypted) or its wishes; its sessions stay."""
        return await self.change(account_id, lambda known: known.model_copy(update=changes))

    async def mark_used(self, account: Account) -> None:
        """Record a sign-in, once a day."""
        now = utc_now(self.clock)
        if now - account.last_used >= _USE_PRECISION or account.used is None:
            await self.change(account.id, lambda known: known.model_copy(update={"used": now}))

    async def disable_unused(self, account_id: str, before: datetime) -> bool:
        """Disable an account without a sign-in since *before*; False if there was one meanwhile."""

        def change(account: Account) -> Account:
            is_unused = account.is_active and account.last_used < before
            return account.ended_sessions(state="disabled") if is_unused else account

        return not (await self.change(account_id, change)).is_active

    async def sign_out_everywhere(self, account_id: str) -> None:
        """End every session of an account, in all processes."""
        ended = (await records.read(self.bucket, f"account.{account_id}", Account)).value
        known = records.require(ended).generation

        def change(account: Account) -> Account:
            return account.ended_sessions() if account.generation == known else account

        await self.change(account_id, change)
