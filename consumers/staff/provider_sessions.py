"""Sessions at an identity provider, and the marks of those that it has ended.

Bucket `sessions`, key `oidc_end.<digest>`. A mark is written before the desk's sessions are ended,
and looked up after one was stored: whichever comes first, the session does not outlive it.
"""

import hashlib

from pydantic import BaseModel, ConfigDict

from producers.bus import Bucket, records


class ProviderSession(BaseModel):
    """The session at a provider that a sign-in came from. `issued_at`: by the provider's clock."""

    model_config = ConfigDict(frozen=True)

    issuer: str
    subject: str
    session_id: str = ""
    issued_at: float = 0.0

    def is_of(self, ended: "ProviderSession") -> bool:
        """Whether *ended* covers this sign-in: by its id, or as one of the person's."""
        is_person = ended.subject in ("", self.subject)
        is_session = ended.session_id in ("", self.session_id)
        return self.issuer == ended.issuer and is_person and is_session


class _Ended(BaseModel):
    """When the provider ended a session, or all of a person's."""

    at: float = 0.0


async def mark_ended(bucket: Bucket, ended: ProviderSession) -> None:
    """Note that the provider ended a session; without a session id, all of the person's."""

    def later(known: _Ended) -> _Ended:
        return _Ended(at=max(known.at, ended.issued_at))

    await records.update_or_create(bucket, _key(ended), _Ended, later)


async def has_ended(bucket: Bucket, session: ProviderSession) -> bool:
    """Whether the provider has ended *session*, or all of its person's since it began."""
    everything = session.model_copy(update={"session_id": ""})
    found = await records.read(bucket, _key(everything), _Ended)
    if found.value and found.value.at >= session.issued_at:
        return True
    return bool(session.session_id) and await bucket.get(_key(session)) is not None


def _key(session: ProviderSession) -> str:
    named = ("sid", session.session_id) if session.session_id else ("sub", session.subject)
    text = "\x00".join((session.issuer, *named))
    return f"oidc_end.{hashlib.sha256(text.encode()).hexdigest()}"
