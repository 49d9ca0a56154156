"""Token store: one refresh at a time, and no token pair is ever lost.

A refresh token works once, and its use invalidates the access token too. Therefore the store writes
"refresh pending" before the call, writes the new pair before its first use, keeps the previous
pair, and never overwrites a pair with an empty one. A refusal that does not name the token is asked
again with the same one. Compare-and-set extends this to several processes.
"""

import asyncio
from dataclasses import replace
from typing import NamedTuple, NoReturn

import structlog

from channels.errors import ChannelError, Misconfigured, Unreachable
from channels.zalo.client.oauth_api import OAuthClient, TokenPair
from channels.zalo.client.store import (
    NO_REVISION,
    GrantCipher,
    KeyValueStore,
    StoredValue,
    TokenGrant,
)
from channels.zalo.errors import (
    OPERATOR_RETRY_S,
    AmbiguousResult,
    AppNotSetUp,
    RefreshRefused,
    RefreshTokenDoubted,
    RefreshTokenUsed,
    StaleValue,
    WrongKey,
)
from contracts.base.crash_points import crash_point
from contracts.base.times import Clock

log = structlog.get_logger()
REFRESH_EARLY_S = 5 * 3600.0
PENDING_TIMEOUT_S = 60.0
"""Longer than any refresh: a refresh that is pending for longer belongs to a dead process."""
BUSY_RETRY_S = 5.0
REFUSALS_MAX_S = 300.0
"""For so long a refusal that may pass is asked again, before an operator is."""
_MIN_REFUSALS = 5
_REFUSAL_WAIT_S, _REFUSAL_WAIT_MAX_S = 5.0, 60.0
_EARLY_RETRY_S = 300.0
_TRIES = 3


class VersionedGrant(NamedTuple):
    """A grant and the revision it was read at."""

    grant: TokenGrant
    revision: int


class TokenStore:
    """Provides the valid access token. All its errors are ChannelErrors."""

    def __init__(
        self, oauth: OAuthClient, kv_store: KeyValueStore, cipher: GrantCipher, clock: Clock
    ) -> None:
        self.oauth = oauth
        self.key = grant_key(oauth.app_id)
        self.kv_store = kv_store
        self.cipher = cipher
        self.clock = clock
        self.lock = asyncio.Lock()
        self.early_retry_at = 0.0
        """While the access token lives, no call waits for another refresh before."""
        self.rejected = ""
        """The access token that Zalo has refused regardless of its expiry."""
        self.unstored: tuple[TokenGrant, str] | None = None
        """A new pair that is not stored yet, and the refresh token it was obtained with."""

    async def access_token(self) -> str:
        """The access token, refreshed in good time.

        Raises Misconfigured when an OA admin has to consent, Unreachable when no token is available
        now.
        """
        async with self.lock:
            current = await self.load_usable()
            grant = current.grant
            is_alive = grant.expires_at > self.clock()
            if not self.is_refresh_due(grant) or (is_alive and self.clock() < self.early_retry_at):
                return grant.access_token
            try:
                return (await self.refresh(current)).access_token
            except (Unreachable, RefreshRefused):
                if not is_alive:
                    raise
                self.early_retry_at = self.clock() + _EARLY_RETRY_S
                return grant.access_token

    async def replace_rejected(self, rejected: str) -> str:
        """Another token in place of *rejected*, which Zalo refuses regardless of its expiry."""
        async with self.lock:
            current = await self.load_usable()
            if current.grant.access_token != rejected:
                return current.grant.access_token
            self.rejected = rejected
            return (await self.refresh(current)).access_token

    async def seed(self, pair: TokenPair) -> None:
        """Store a pair that a person obtained (consent, or pasted from the API Explorer).

        It replaces the stored pair, even an unreadable one. Raises StaleValue (another writer was
        faster), Unreachable.
        """
        async with self.lock:
            stored = await self.kv_store.get(self.key)
            before, revision = TokenGrant(), NO_REVISION
            if stored:
                before, revision = self.previous_grant(stored), stored.revision
            await self.write(self.next_grant(before, pair), revision)
            self.unstored = None

    def previous_grant(self, stored: StoredValue) -> TokenGrant:
        """The grant that a new pair keeps as the previous one; empty where its key is lost."""
        try:
            return self.cipher.decrypt(stored.data)
        except WrongKey:
            log.warning("zalo_grant_replaced")
            return TokenGrant()

    def is_refresh_due(self, grant: TokenGrant) -> bool:
        """Whether to refresh: at 20 of the 25 hours, so that a missed refresh can be repeated."""
        early_s = min(REFRESH_EARLY_S, (grant.expires_at - grant.obtained_at) / 5)
        return self.clock() >= grant.expires_at - early_s

    async def load_usable(self) -> VersionedGrant:
        """The stored grant, after storing a new pair that could not be stored before."""
        if self.unstored:
            await self.store_new_pair(*self.unstored)
        current = await self.read()
        if reason := current.grant.missing_consent:
            raise Misconfigured(reason, retry_after_s=OPERATOR_RETRY_S)
        return current

    async def read(self) -> VersionedGrant:
        stored = await self.kv_store.get(self.key)
        if stored is None:
            return VersionedGrant(TokenGrant(), NO_REVISION)
        return VersionedGrant(self.cipher.decrypt(stored.data), stored.revision)

    async def write(self, grant: TokenGrant, revision: int) -> VersionedGrant:
        """Raises StaleValue, Unreachable."""
        stored_at = await self.kv_store.swap(self.key, self.cipher.encrypt(grant), revision)
        return VersionedGrant(grant, stored_at)

    async def refresh(self, current: VersionedGrant) -> TokenGrant:
        """Exchange the stored pair for a new one, and store that. Raises ChannelError."""
        spent = current.grant.refresh_token
        pending = await self.mark_pending(current)
        if pending.grant.refresh_token != spent:
            return pending.grant
        try:
            crash_point("zalo.refresh_noted")
            pair = await self.oauth.refresh(spent)
            crash_point("zalo.refresh_answered")
        except (RefreshTokenDoubted, AppNotSetUp) as error:
            return await self.record_refusal(pending, error)
        except RefreshTokenUsed as error:
            return await self.mark_lost(pending, str(error))
        except AmbiguousResult as doubt:
            log.error("zalo_refresh_unknown", reason=str(doubt))
            reason = "refresh without an answer"
            raise Unreachable(reason, retry_after_s=PENDING_TIMEOUT_S) from doubt
        except ChannelError as trouble:
            await self.clear_pending(pending, trouble)
        return await self.store_new_pair(self.next_grant(pending.grant, pair), spent)

    async def mark_pending(self, current: VersionedGrant) -> VersionedGrant:
        """Mark the refresh as pending; one process succeeds, the others raise Unreachable."""
        now, busy = self.clock(), Unreachable("a refresh is under way", retry_after_s=BUSY_RETRY_S)
        if abs(now - current.grant.pending_at) < PENDING_TIMEOUT_S:
            raise busy
        self.require_retry_due(current.grant)
        try:
            return await self.write(replace(current.grant, pending_at=now), current.revision)
        except StaleValue:
            other = await self.read()
            if other.grant.refresh_token == current.grant.refresh_token:
                raise busy from None
            return other

    def require_retry_due(self, grant: TokenGrant) -> None:
        """Raises Unreachable while an earlier refusal asks for patience."""
        wait_s = grant.retry_at - self.clock()
        if 0 < wait_s <= _REFUSAL_WAIT_MAX_S:  # a longer wait comes from a clock that was set back
            raise Unreachable("the refresh was refused", retry_after_s=wait_s)

    async def record_refusal(
        self, pending: VersionedGrant, error: RefreshTokenDoubted | AppNotSetUp
    ) -> TokenGrant:
        """Record a refusal that may pass: the same token is asked again, from seconds on.

        After minutes a doubted token is given up, unless its access token still works: a use of the
        one ends the other. An operator is asked for the rest.
        """
        current, now = (await self.read()).grant, self.clock()
        if current.refresh_token != pending.grant.refresh_token:
            return current
        since, tries = pending.grant.refused_since or now, pending.grant.refusals + 1
        is_over = now - since >= REFUSALS_MAX_S and tries >= _MIN_REFUSALS
        if is_over and isinstance(error, RefreshTokenDoubted) and not self.works(current):
            return await self.mark_lost(pending, str(error))
        wait_s = min(_REFUSAL_WAIT_S * 2 ** min(tries - 1, 10), _REFUSAL_WAIT_MAX_S)
        refused = replace(pending.grant, refused_since=since, refusals=tries, retry_at=now + wait_s)
        trouble: ChannelError = Unreachable(str(error), retry_after_s=wait_s)
        trouble.__cause__ = error  # has the fix, for a person who looks meanwhile
        if is_over and isinstance(error, AppNotSetUp):
            log.error("zalo_operator_needed", reason=str(error), fix=error.fix)
            trouble = RefreshRefused(str(error), error.fix, wait_s)
        else:
            log.warning("zalo_refresh_refused", reason=str(error), tries=tries)
        return await self.clear_pending(VersionedGrant(refused, pending.revision), trouble)

    def works(self, grant: TokenGrant) -> bool:
        """Whether the access token lives, and Zalo has not refused it."""
        return grant.expires_at > self.clock() and grant.access_token != self.rejected

    async def clear_pending(self, pending: VersionedGrant, trouble: ChannelError) -> NoReturn:
        """The refresh did not happen: remove the mark and raise *trouble*."""
        try:
            await self.write(replace(pending.grant, pending_at=0.0), pending.revision)
        except (StaleValue, Unreachable) as error:
            log.warning("zalo_refresh_mark_left", reason=type(error).__name__)
        raise trouble

    async def mark_lost(self, pending: VersionedGrant, reason: str) -> TokenGrant:
        """Mark the consent as lost, unless another process has stored a new pair: use that."""
        current = await self.read()
        if current.grant.refresh_token != pending.grant.refresh_token:
            return current.grant
        lost = f"the consent is lost: {reason}"
        try:
            await self.write(replace(current.grant, pending_at=0.0, lost=lost), current.revision)
        except StaleValue:
            raise Unreachable("the pair changed", retry_after_s=BUSY_RETRY_S) from None
        log.error("zalo_grant_lost", reason=reason)
        raise Misconfigured(lost, retry_after_s=OPERATOR_RETRY_S)

    def next_grant(self, before: TokenGrant, pair: TokenPair) -> TokenGrant:
        """The grant of a new pair, with the tokens of the one before for recovery by hand."""
        now = self.clock()
        return TokenGrant(
            access_token=pair.access_token,
            refresh_token=pair.refresh_token or before.refresh_token,
            expires_at=now + pair.lifetime_s,
            obtained_at=now,
            previous_access_token=before.access_token,
            previous_refresh_token=before.refresh_token,
        )

    async def store_new_pair(self, fresh: TokenGrant, spent: str) -> TokenGrant:
        """Store a new pair before its first use, unless a person has stored another meanwhile.

        Raises Unreachable; the next call repeats it.
        """
        self.unstored = fresh, spent
        for _ in range(_TRIES):
            current = await self.read()
            if current.grant.refresh_token not in (spent, fresh.refresh_token):
                self.unstored = None
                return current.grant
            try:
                if current.grant.access_token != fresh.access_token:
                    await self.write(fresh, current.revision)
            except StaleValue:
                continue
            crash_point("zalo.pair_stored")
            self.unstored = None
            log.info("zalo_tokens_refreshed", life_s=round(fresh.expires_at - fresh.obtained_at))
            return fresh
        raise Unreachable("the new pair could not be stored", retry_after_s=BUSY_RETRY_S)


def grant_key(app_id: str) -> str:
    """Key of an app's grant; the sandbox has another app id, so that its grant has another key."""
    return f"zalo.grant.{app_id}"
