"""The token keeper: one refresh at a time, and no pair is ever lost by us.

A refresh token works once, and using it kills the access token too. So "a refresh is under way" is
stored before the call, the new pair is stored before its first use, the pair before it is kept,
and nothing is ever overwritten by nothing. The compare-and-set of the vault makes this hold across
processes as well.
"""

import asyncio
from dataclasses import dataclass, replace
from typing import NoReturn

import structlog

from channels.errors import ChannelError, Misconfigured, Unreachable
from channels.zalo.hours import Clock
from channels.zalo.oauth import OPERATOR_S, OAuth, Pair, Spent, life_s
from channels.zalo.transport import Doubt
from channels.zalo.vault import NEVER, Grant, OtherKey, Seal, Sealed, Stale, Vault
from contracts.crash import crash_point

log = structlog.get_logger()
EARLY_S = 5 * 3600.0
PATIENCE_S = 60.0
"""Longer than a refresh can take: after that its process is taken for dead."""
BUSY_S = 5.0
TRIES = 3


@dataclass(frozen=True, slots=True)
class Held:
    """A grant and the revision it was read at."""

    grant: Grant
    revision: int


class TokenKeeper:
    """Hands out the access token that is good now. Everything it raises is a ChannelError."""

    def __init__(self, oauth: OAuth, vault: Vault, seal: Seal, clock: Clock) -> None:
        self.oauth = oauth
        self.key = grant_key(oauth.app_id)
        self.vault = vault
        self.seal = seal
        self.clock = clock
        self.lock = asyncio.Lock()
        self.unkept: tuple[Grant, str] | None = None  # a new pair, and the refresh token it cost

    async def access(self) -> str:
        """The access token, refreshed in good time.

        Raises Misconfigured when an OA admin has to consent, Unreachable when it can't be told now.
        """
        async with self.lock:
            held = await self.load()
            grant = held.grant
            if not self.due(grant):
                return grant.access_token
            try:
                return (await self.refresh(held)).access_token
            except Unreachable:
                if grant.expires_at <= self.clock():
                    raise
                return grant.access_token

    async def renewed(self, failed: str) -> str:
        """A token to use instead of *failed*, which Zalo refuses whatever its expiry says."""
        async with self.lock:
            held = await self.load()
            if held.grant.access_token != failed:
                return held.grant.access_token
            return (await self.refresh(held)).access_token

    async def seed(self, access_token: str, refresh_token: str, expires_in: object = None) -> None:
        """Store a pair that a person obtained (consent, or pasted from the API Explorer).

        It replaces what stands there, even what can't be read any more. Raises Stale (somebody
        else stored one at this moment), Unreachable.
        """
        async with self.lock:
            now = self.clock()
            fresh = Grant(access_token, refresh_token, now + life_s(expires_in), now)
            if sealed := await self.vault.get(self.key):
                await self.store(succeed(self.replaced(sealed), fresh), sealed.revision)
            else:
                await self.store(fresh, NEVER)
            self.unkept = None

    def replaced(self, sealed: Sealed) -> Grant:
        """What a new pair is to remember; nothing of a pair whose key is lost."""
        try:
            return self.seal.open(sealed.data)
        except OtherKey:
            log.warning("zalo_grant_replaced")
            return Grant()

    async def granted(self) -> bool:
        """Whether there is a consent to work with. Raises Unreachable, Misconfigured."""
        grant = (await self.read()).grant
        return bool(grant.access_token) and not grant.lost

    def due(self, grant: Grant) -> bool:
        """Early: at 20 of the 25 hours, so that a missed refresh can be made up for."""
        early_s = min(EARLY_S, (grant.expires_at - grant.obtained_at) / 5)
        return self.clock() >= grant.expires_at - early_s

    async def load(self) -> Held:
        """What is stored, a pair that could not be stored yet included."""
        if self.unkept:
            await self.keep()
        held = await self.read()
        if held.grant.lost or not held.grant.access_token:
            raise Misconfigured(held.grant.lost or "no consent yet", retry_after_s=OPERATOR_S)
        return held

    async def read(self) -> Held:
        sealed = await self.vault.get(self.key)
        if sealed is None:
            return Held(Grant(), NEVER)
        return Held(self.seal.open(sealed.data), sealed.revision)

    async def store(self, grant: Grant, revision: int) -> Held:
        """Raises Stale, Unreachable."""
        return Held(grant, await self.vault.swap(self.key, self.seal.close(grant), revision))

    async def refresh(self, held: Held) -> Grant:
        """Turn the stored pair into a new one, and store that. Raises ChannelError."""
        spent = held.grant.refresh_token
        announced = await self.announce(held)
        if announced.grant.refresh_token != spent:
            return announced.grant
        try:
            crash_point("zalo.refresh_noted")
            pair = await self.oauth.refresh(spent)
            crash_point("zalo.refresh_answered")
        except Spent as why:
            return await self.lose(announced, str(why))
        except Doubt as doubt:
            log.error("zalo_refresh_unknown", reason=str(doubt))
            raise Unreachable("refresh without an answer", retry_after_s=PATIENCE_S) from doubt
        except ChannelError as trouble:
            await self.call_off(announced, trouble)
        self.unkept = (self.renew(announced.grant, pair), spent)
        return await self.keep()

    async def announce(self, held: Held) -> Held:
        """Store that a refresh begins now; only one process can. Raises Unreachable for others."""
        if abs(self.clock() - held.grant.pending_at) < PATIENCE_S:
            raise Unreachable("a refresh is under way", retry_after_s=BUSY_S)
        try:
            return await self.store(replace(held.grant, pending_at=self.clock()), held.revision)
        except Stale:
            other = await self.read()
            if other.grant.refresh_token == held.grant.refresh_token:
                raise Unreachable("a refresh is under way", retry_after_s=BUSY_S) from None
            return other

    async def call_off(self, announced: Held, trouble: ChannelError) -> NoReturn:
        """The refresh did not happen: the pair stands as it was."""
        try:
            await self.store(replace(announced.grant, pending_at=0.0), announced.revision)
        except (Stale, Unreachable) as error:
            log.warning("zalo_refresh_mark_left", reason=type(error).__name__)
        raise trouble

    async def lose(self, announced: Held, why: str) -> Grant:
        """The refresh token is dead, unless another process was faster: then its pair is ours."""
        held = await self.read()
        if held.grant.refresh_token != announced.grant.refresh_token:
            return held.grant
        lost = f"the consent is lost: {why}"
        try:
            await self.store(replace(held.grant, pending_at=0.0, lost=lost), held.revision)
        except Stale:
            raise Unreachable("the pair changed", retry_after_s=BUSY_S) from None
        log.error("zalo_grant_lost", reason=why)
        raise Misconfigured(lost, retry_after_s=OPERATOR_S)

    def renew(self, grant: Grant, pair: Pair) -> Grant:
        now = self.clock()
        kept = pair.refresh_token or grant.refresh_token
        return succeed(grant, Grant(pair.access_token, kept, now + pair.life_s, now))

    async def keep(self) -> Grant:
        """Store the new pair before anybody uses it. Raises Unreachable; it is tried again then."""
        for _ in range(TRIES):
            try:
                return await self.keep_once()
            except Stale:
                continue
        raise Unreachable("the new pair could not be stored", retry_after_s=BUSY_S)

    async def keep_once(self) -> Grant:
        """Raises Stale, Unreachable. A pair that a person stored meanwhile wins."""
        held = await self.read()
        if self.unkept is None:
            return held.grant
        fresh, spent = self.unkept
        if held.grant.refresh_token not in (spent, fresh.refresh_token):
            self.unkept = None
            return held.grant
        if held.grant.access_token != fresh.access_token:
            await self.store(fresh, held.revision)
        crash_point("zalo.pair_stored")
        self.unkept = None
        log.info("zalo_tokens_refreshed", life_s=round(fresh.expires_at - fresh.obtained_at))
        return fresh


def grant_key(app_id: str) -> str:
    """Where the vault keeps an app's grant: the sandbox's never stands where a real one does."""
    return f"zalo.grant.{app_id}"


def succeed(before: Grant, fresh: Grant) -> Grant:
    """*fresh*, which remembers the pair before it for recovery by hand."""
    return replace(
        fresh,
        previous_access_token=before.access_token,
        previous_refresh_token=before.refresh_token,
    )
