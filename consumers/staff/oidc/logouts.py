"""Sessions that the provider ended: once for each logout token, also against a sign-in on its way.

Bucket `sessions`: `oidc_end.<digest>` is the provider's session, or person, that was signed out,
`oidc_jti.<digest>` a logout token that was obeyed. The mark is written before sessions are ended,
and looked up after one was started: whichever comes first, the session does not outlive it.
"""

import hashlib
from dataclasses import dataclass

from pydantic import BaseModel

from consumers.staff.oidc.errors import OidcRefused, Reason
from consumers.staff.oidc.logout_token import EndedSession
from consumers.staff.sessions import ProviderSession, SessionStore
from producers.bus import records


class _SignedOut(BaseModel):
    """When the provider signed the person out, by its own clock."""

    at: float = 0.0


@dataclass
class ProviderLogouts:
    """Obeys logout tokens. Raises BusError when the bus fails."""

    sessions: SessionStore

    def __post_init__(self) -> None:
        self.bucket = self.sessions.bucket

    async def obey(self, ended: EndedSession) -> int:
        """End the sessions that *ended* names; returns how many. Raises OidcRefused for a repeat.

        The token counts as obeyed only after that: a call that failed can be repeated.
        """
        token = f"oidc_jti.{_digest(ended.issuer, ended.token_id)}"
        if await self.bucket.get(token):
            raise OidcRefused(Reason.REPLAYED)
        session = ProviderSession(
            issuer=ended.issuer, subject=ended.subject, session_id=ended.session_id
        )
        await records.update_or_create(
            self.bucket,
            _mark(session),
            _SignedOut,
            lambda known: _SignedOut(at=max(known.at, ended.issued_at)),
        )
        count = await self.sessions.end_of_provider(session)
        await self.bucket.put(token, b"")
        return count

    async def has_ended(self, session: ProviderSession, issued_at: float) -> bool:
        """Whether the provider ended *session*, or all of its person's after *issued_at*."""
        everything = session.model_copy(update={"session_id": ""})
        found = await records.read(self.bucket, _mark(everything), _SignedOut)
        if found.value and found.value.at >= issued_at:
            return True
        if not session.session_id:
            return False
        return await self.bucket.get(_mark(session)) is not None


def _mark(session: ProviderSession) -> str:
    """The key of a session's mark; without a session id, of its person's."""
    named = ("sid", session.session_id) if session.session_id else ("sub", session.subject)
    return f"oidc_end.{_digest(session.issuer, *named)}"


def _digest(*parts: str) -> str:
    return hashlib.sha256("\x00".join(parts).encode()).hexdigest()
