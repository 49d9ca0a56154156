"""The mail to a unit whose endpoint is called no more, once for each time."""

from dataclasses import dataclass
from datetime import timedelta
from functools import partial

import structlog

from consumers.callbacks.endpoints import EndpointCipher, EndpointStore, ListedEndpoint
from consumers.callbacks.progress import Disabled, Progress
from consumers.errors import KeyFileBroken
from consumers.subscribers.transactional import TransactionalMailer
from contracts import keys
from contracts.base.times import Clock, utc_now
from contracts.subscriptions.transactional import TransactionalKind, TransactionalMail
from producers.bus.periodic import attempt, every

log = structlog.get_logger()
_INTERVAL_S = 60.0
_LIFETIME = timedelta(days=7)


@dataclass(frozen=True)
class DisabledMailer:
    """Mails the contacts of disabled endpoints; keep `run` running. Raises BusError.

    It is apart from what calls units' systems, which needs no readers and no mail.
    """

    mailer: TransactionalMailer
    endpoints: EndpointStore
    cipher: EndpointCipher
    clock: Clock

    async def run(self) -> None:
        await every(_INTERVAL_S, self.tell_all)

    async def tell_all(self) -> None:
        """Begin the mails that wait; what stops one does not stop the others."""
        for listed in await self.endpoints.all():
            if (disabled := listed.progress.disabled) and not disabled.is_told:
                await attempt(partial(self._tell, listed, disabled))

    async def _tell(self, listed: ListedEndpoint, disabled: Disabled) -> None:
        try:
            mail = self._mail(listed)
        except KeyFileBroken as broken:
            facts = {"unit": listed.unit, "endpoint": listed.id}
            log.error("callback_secret_unreadable", error=str(broken), **facts)
            return
        name = keys.transactional_content_id("callback disabled", listed.key, str(disabled.at))
        await self.mailer.send_once(name, mail)
        await self.endpoints.update_progress(
            listed.unit, listed.id, partial(_told, disabled=disabled)
        )

    def _mail(self, listed: ListedEndpoint) -> TransactionalMail:
        now = utc_now(self.clock)
        return TransactionalMail(
            kind=TransactionalKind.STAFF,
            address=self.cipher.decrypt(listed.key, listed.endpoint.contact),
            disabled_endpoint=f"{listed.unit} {listed.id}: {listed.endpoint.origin}",
            at=now,
            expires_at=now + _LIFETIME,
        )


def _told(progress: Progress, disabled: Disabled) -> Progress:
    """The progress, of which the mail about *disabled* has begun."""
    if progress.disabled != disabled:
        return progress
    told = disabled.model_copy(update={"is_told": True})
    return progress.model_copy(update={"disabled": told})
