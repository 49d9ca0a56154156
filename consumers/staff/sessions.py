"""Sessions of staff: kept on the bus, so that every process sees at once when one has ended.

The token has 256 random bits; its SHA-256 is the key. A session ends after 15 minutes without use,
after 10 hours in all, and when its account is disabled, reset, given other roles, or signed out.
"""

import re
import secrets
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from typing import NamedTuple

from pydantic import BaseModel, ConfigDict

from consumers.audit import log as audit
from consumers.staff.accounts import Account, AccountStore
from consumers.staff.errors import ProviderSessionEnded
from consumers.staff.provider_sessions import ProviderSession, has_ended
from consumers.staff.throttle import network_of
from contracts import subjects
from contracts.base.crash_points import crash_point
from contracts.base.times import Clock, format_utc, utc_now
from contracts.staff.sign_in import TERMINAL
from producers.bus import Bus, records

_PREFIX = "session."
_SESSION_ID = re.compile("[0-9a-f]{64}")
_TOKEN_BYTES = 32
_TOKEN_LENGTH = 43
_IDLE = timedelta(minutes=15)
_LONGEST = timedelta(hours=10)
_STEP_UP = timedelta(minutes=5)
_TOUCH_EVERY = timedelta(seconds=30)
_LONE: Mapping[str, str] = {"ends_with": "", "replaces": ""}
"""The fields of a session that depends on no other."""


class Session(BaseModel):
    """One sign-in: bucket `sessions`, key `session.<SHA-256 of the token>`."""

    model_config = ConfigDict(frozen=True)

    account: str
    generation: int
    started: datetime
    used: datetime
    second_factor: datetime | None = None
    provider: ProviderSession | None = None
    network: str = ""
    """Where the person signed in from; `terminal` for the command line."""
    ends_with: str = ""
    """The key of the session before, with which this one ends until its own token is shown."""
    replaces: str = ""
    """The key of the session before, which is about to end: the token of this one was shown."""

    def is_alive(self, now: datetime) -> bool:
        return now < self.used + _IDLE and now < self.started + _LONGEST

    def belongs_to(self, account: Account) -> bool:
        return self.account == account.id and self.generation == account.generation

    @property
    def is_unconfirmed(self) -> bool:
        """Whether it waits for its token to be shown: the answer that has it may be lost."""
        return bool(self.ends_with)

    def is_stepped_up(self, now: datetime) -> bool:
        """Whether a second factor was given within the last 5 minutes."""
        return self.second_factor is not None and now < self.second_factor + _STEP_UP


class LivingSession(NamedTuple):
    """A session, and the id under which its account may end it: the hash of its token."""

    id: str
    session: Session


class SignedIn(NamedTuple):
    """A living session with its account, as both are at this moment."""

    session: Session
    account: Account


def token_key(token: str) -> str:
    """The key under which a token's session is stored."""
    return _PREFIX + session_id(token)


def session_id(token: str) -> str:
    """The id under which the account of a token's session may end it."""
    return sha256(token.encode("utf-8", "replace")).hexdigest()


@dataclass
class SessionStore:
    """Living sessions. Every look-up reads session and account from the bus."""

    bus: Bus
    accounts: AccountStore
    clock: Clock

    def __post_init__(self) -> None:
        self.bucket = self.bus.bucket(subjects.SESSIONS.name)

    async def start(
        self,
        account: Account,
        *,
        provider: ProviderSession | None = None,
        second_factor: datetime | None = None,
        network: str = TERMINAL,
    ) -> str:
        """Start a session right after a sign-in; returns its token, which is stored nowhere.

        A sign-in through a *provider* has the second factor that the provider vouches for; a local
        one was given with the account's own, unless *second_factor* says when.
        """
        now = utc_now(self.clock)
        if provider is None and second_factor is None and account.has_totp:
            second_factor = now
        session = Session(
            account=account.id,
            generation=account.generation,
            started=now,
            used=now,
            second_factor=second_factor,
            provider=provider,
            network=network_of(network),
        )
        return await self._open(account, session)

    async def start_terminal(self, confirmed: Session) -> str:
        """Start a session of a terminal that the person of session *confirmed* has let in.

        It lasts as long as the sign-in that it comes from. Raises ProviderSessionEnded; LookupError
        when the account has ended its sessions meanwhile.
        """
        account = await self.accounts.find(confirmed.account)
        if account is None or not (account.is_active and confirmed.belongs_to(account)):
            raise LookupError(confirmed.account)
        own = {"used": utc_now(self.clock), "network": TERMINAL}
        return await self._open(account, confirmed.model_copy(update={**own, **_LONE}))

    async def _open(self, account: Account, session: Session) -> str:
        """Store a session, and note the sign-in."""
        token = await self._store_new(session)
        await self.accounts.mark_used(account)
        started = format_utc(session.started)
        act = audit.Act("session.start", session.network, account.id, session=started)
        await audit.AuditLog(self.bus, self.clock).try_record(act)
        return token

    async def reopen(self, account: Account, session: Session) -> str:
        """A session in place of one that a change of its own account has ended."""
        current = {"generation": account.generation}
        return await self._store_new(session.model_copy(update={**current, **_LONE}))

    async def find(self, token: str, *, has_arrived: bool = True) -> SignedIn | None:
        """The session of *token* and its account; None when it has ended.

        *has_arrived*: the person has the token, so that the session before it ends.
        """
        if len(token) != _TOKEN_LENGTH:
            return None
        known = await records.read(self.bucket, token_key(token), Session)
        session, now = known.value, utc_now(self.clock)
        if session is None:
            return None
        account = await self.accounts.find(session.account)
        is_alive = session.is_alive(now) and await self._has_base(token, session)
        is_current = account is not None and session.belongs_to(account)
        if account is None or not (is_current and account.is_active and is_alive):
            await self.end(token)
            return None
        if has_arrived and (session.ends_with or session.replaces):
            session = await self._end_before(token, session)
        elif now - session.used >= _TOUCH_EVERY:
            session = await self._touch(token, now)
        return SignedIn(session, account) if session else None

    async def living(self, tokens: Collection[str]) -> frozenset[str]:
        """Those of *tokens* whose sessions live on, in two requests; a look is no use of them."""
        now, keys = utc_now(self.clock), {token_key(token): token for token in tokens}
        values = await self.bucket.get_many(list(keys))
        known = {keys[key]: records.parse(Session, one.data) for key, one in values.items()}
        sessions = {token: one for token, one in known.items() if one and one.is_alive(now)}
        accounts = await self.accounts.find_many({one.account for one in sessions.values()})
        return frozenset(
            token
            for token, session in sessions.items()
            if (account := accounts.get(session.account))
            and account.is_active
            and session.belongs_to(account)
        )

    async def renew(self, token: str, *, stepped_up: bool = False) -> str | None:
        """Replace a living session's token; *stepped_up*: a second factor was given just now.

        The token before works until the new one is shown: the answer that has it may be lost.
        """
        signed_in = await self.find(token)
        if signed_in is None:
            return None
        now = utc_now(self.clock)
        second_factor = now if stepped_up else signed_in.session.second_factor
        changes = {**_LONE, "second_factor": second_factor, "ends_with": token_key(token)}
        new = signed_in.session.model_copy(update=changes)
        fresh = await self._store_new(new)
        crash_point("session.renewed")
        return fresh

    async def end(self, token: str) -> None:
        await self.bucket.purge(token_key(token))

    async def end_of_provider(self, ended: ProviderSession) -> int:
        """End every session that the provider has ended; returns how many."""
        count = 0
        async for key, value in self.bucket.values(_PREFIX):
            provider = Session.model_validate_json(value.data).provider
            if provider and provider.is_of(ended):
                await self.bucket.purge(key)
                count += 1
        return count

    async def of_account(self, account: Account) -> list[LivingSession]:
        """The living sessions of an account, newest first."""
        now, living = utc_now(self.clock), []
        async for key, value in self.bucket.values(_PREFIX):
            session = Session.model_validate_json(value.data)
            if session.is_unconfirmed:
                continue  # it is the one with which it ends
            if session.belongs_to(account) and session.is_alive(now):
                living.append(LivingSession(key.removeprefix(_PREFIX), session))
        return sorted(living, key=lambda one: one.session.started, reverse=True)

    async def end_own(self, account: Account, id: str) -> bool:
        """End a session by its id; False for one that is unknown or another account's."""
        if not _SESSION_ID.fullmatch(id):
            return False
        known = (await records.read(self.bucket, _PREFIX + id, Session)).value
        if known is None or not known.belongs_to(account):
            return False
        await self.bucket.purge(_PREFIX + id)
        return True

    async def _store_new(self, session: Session) -> str:
        """Raises ProviderSessionEnded where the provider has ended its own meanwhile."""
        token = secrets.token_urlsafe(_TOKEN_BYTES)
        await self.bucket.create(token_key(token), session.model_dump_json().encode())
        if session.provider and await has_ended(self.bucket, session.provider):
            await self.end(token)
            raise ProviderSessionEnded
        return token

    async def _has_base(self, token: str, session: Session) -> bool:
        """Whether the session with which an unconfirmed one ends is still there.

        It ends also where another request with *token* has confirmed this one since it was read.
        """
        if not session.is_unconfirmed or await self.bucket.get(session.ends_with) is not None:
            return True
        now = (await records.read(self.bucket, token_key(token), Session)).value
        return now is not None and not now.is_unconfirmed

    async def _end_before(self, token: str, session: Session) -> Session | None:
        """End the session before that of *token*, in steps that a repeat goes on with."""
        now, before = utc_now(self.clock), session.ends_with or session.replaces
        if session.is_unconfirmed:
            await self._touch(token, now, ends_with="", replaces=before)
        await self.bucket.purge(before)
        return await self._touch(token, now, **_LONE)

    async def _touch(self, token: str, now: datetime, **changes: str) -> Session | None:
        """Record a use. A session that ended meanwhile stays ended."""
        key = token_key(token)

        def touch(known: Session | None) -> Session:
            session = records.require(known)
            return session.model_copy(update={"used": max(session.used, now), **changes})

        try:
            return (await records.update(self.bucket, key, Session, touch)).value
        except LookupError:
            return None
