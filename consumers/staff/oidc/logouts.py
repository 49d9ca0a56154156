"""Logout tokens: each ends the sessions that it names, once.

Bucket `sessions`, key `oidc_jti.<digest>`: a logout token that was obeyed.
"""

import hashlib
from dataclasses import dataclass

from consumers.staff.oidc.errors import OidcRefused, Reason
from consumers.staff.oidc.logout_token import EndedSession
from consumers.staff.provider_sessions import ProviderSession, mark_ended
from consumers.staff.sessions import SessionStore


@dataclass
class ProviderLogouts:
    """Obeys logout tokens. Raises BusError when the bus fails."""

    sessions: SessionStore

    async def obey(self, ended: EndedSession) -> int:
        """End the sessions that *ended* names; returns how many. Raises OidcRefused for a repeat.

        The token counts as obeyed only after that: a call that failed can be repeated.
        """
        bucket = self.sessions.bucket
        token = f"oidc_jti.{_digest(ended)}"
        if await bucket.get(token):
            raise OidcRefused(Reason.REPLAYED)
        session = ProviderSession(
            issuer=ended.issuer,
            subject=ended.subject,
            session_id=ended.session_id,
            issued_at=ended.issued_at,
        )
        await mark_ended(bucket, session)
        count = await self.sessions.end_of_provider(session)
        await bucket.put(token, b"")
        return count


def _digest(ended: EndedSession) -> str:
    return hashlib.sha256(f"{ended.issuer}\x00{ended.token_id}".encode()).hexdigest()
