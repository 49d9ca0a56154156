"""The mail to a unit whose endpoint is called no more, once for each time."""

from dataclasses import dataclass
from datetime import timedelta

from consumers.callbacks.endpoints import EndpointCipher, EndpointStore, ListedEndpoint
from consumers.callbacks.progress import Progress
from consumers.subscribers.transactional import TransactionalMailer
from contracts import keys
from contracts.base.times import Clock, utc_now
from contracts.subscriptions.transactional import TransactionalKind, TransactionalMail

_LIFETIME = timedelta(days=7)


@dataclass(frozen=True)
class DisabledMailer:
    """Mails the contact of an endpoint. Raises BusError, KeyFileBroken."""

    mailer: TransactionalMailer
    endpoints: EndpointStore
    cipher: EndpointCipher
    clock: Clock

    async def tell(self, listed: ListedEndpoint) -> None:
        """Begin the mail of a disabled endpoint, unless it has begun."""
        disabled = listed.progress.disabled
        if disabled is None or disabled.is_told:
            return
        name = keys.transactional_content_id("callback disabled", listed.key, str(disabled.at))
        await self.mailer.send_once(name, self._mail(listed))
        await self.endpoints.update_progress(listed.unit, listed.id, _told)

    def _mail(self, listed: ListedEndpoint) -> TransactionalMail:
        now = utc_now(self.clock)
        return TransactionalMail(
            kind=TransactionalKind.CALLBACK,
            address=self.cipher.decrypt(listed.key, listed.endpoint.contact),
            text=f"{listed.unit} {listed.id}: {listed.endpoint.url}",
            at=now,
            expires_at=now + _LIFETIME,
        )


def _told(progress: Progress) -> Progress:
    if progress.disabled is None:
        return progress
    told = progress.disabled.model_copy(update={"is_told": True})
    return progress.model_copy(update={"disabled": told})
