"""Changes of a unit's endpoints by people: add, remove, rotate, enable, replay."""

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import NamedTuple

from yarl import URL

from channels.fetch.webhook_signature import create_secret
from consumers.callbacks import progress
from consumers.callbacks.endpoints import (
    Endpoint,
    EndpointCipher,
    EndpointSecret,
    EndpointStore,
    endpoint_key,
    progress_key,
)
from consumers.callbacks.progress import Progress, Span
from consumers.callbacks.status_store import StatusStore
from consumers.messages import field_error
from contracts import subjects
from contracts.base.addresses import is_mailable
from contracts.base.times import Clock, utc_now
from contracts.errors import Conflict, Invalid
from contracts.facts.content_status import StatusKind
from producers.bus import records

_OVERLAP = timedelta(hours=24)
"""How long a replaced secret signs beside the new one."""
_MAX_ENDPOINTS = 5
"""Endpoints of one unit."""
_ID_BYTES = 4


class Added(NamedTuple):
    """A new endpoint, or a new secret of one, shown once."""

    id: str
    secret: str


def origin_of(url: str) -> str:
    """Scheme, host and port of an address, which is all that is shown of it. Raises Invalid."""
    try:
        return str(URL(url).origin())
    except ValueError as wrong:
        raise Invalid(field_error("url", "callback_address", value=url)) from wrong


@dataclass(frozen=True)
class EndpointAdministration:
    """Changes endpoints. *check_url* raises Invalid. Raises BusError."""

    store: EndpointStore
    statuses: StatusStore
    cipher: EndpointCipher
    check_url: Callable[[str], None]
    clock: Clock

    async def add(self, unit: str, url: str, kinds: Sequence[StatusKind], contact: str) -> Added:
        """Add an endpoint for facts that are stored from now on; empty *kinds* are all kinds.

        Raises Invalid, KeyFileBroken, Conflict where the unit has many or this one.
        """
        self.check_url(url)
        if not is_mailable(contact):
            raise Invalid(field_error("contact", "no_mail_address"))
        present = await self.store.of_unit(unit)
        if any(self.cipher.decrypt(one.key, one.endpoint.url) == url for one in present):
            raise Conflict(field_error("url", "callback_known", value=url))
        if len(present) >= _MAX_ENDPOINTS:
            raise Conflict(field_error("url", "callbacks_many", unit=unit, limit=_MAX_ENDPOINTS))
        id, secret, now = secrets.token_hex(_ID_BYTES), create_secret(), utc_now(self.clock)
        key = endpoint_key(unit, id)
        sealed = EndpointSecret(sealed=self.cipher.encrypt(key, secret), created=now)
        added = Endpoint(
            origin=origin_of(url),
            url=self.cipher.encrypt(key, url),
            kinds=tuple(dict.fromkeys(kinds)),
            contact=self.cipher.encrypt(key, contact),
            secrets=(sealed,),
            created=now,
        )
        first = await self._last_seq() + 1
        begun = Progress(first=first, spans=(Span(next=first),))
        await records.write(self.store.bucket, progress_key(unit, id), begun, 0)
        await records.write(self.store.bucket, key, added, 0)
        return Added(id, secret)

    async def _last_seq(self) -> int:
        info = await self.store.bus.stream_info(subjects.STATUS.name)
        return int(info["state"]["last_seq"])

    async def remove(self, unit: str, id: str) -> None:
        """Remove an endpoint; what waits for it is not sent. Raises NotFound."""
        await self.store.require(unit, id)
        await self.store.bucket.purge(endpoint_key(unit, id))
        await self.store.bucket.purge(progress_key(unit, id))

    async def rotate(self, unit: str, id: str, *, now: bool = False) -> str:
        """A new secret; the old one signs beside it for a day, with *now* not at all.

        Raises NotFound.
        """
        await self.store.require(unit, id)
        secret, key, at = create_secret(), endpoint_key(unit, id), utc_now(self.clock)
        newest = EndpointSecret(sealed=self.cipher.encrypt(key, secret), created=at)
        end = at if now else at + _OVERLAP

        def change(found: Endpoint | None) -> Endpoint:
            known = records.require(found)
            ends = [(one, min(one.until or end, end)) for one in known.secrets]
            living = [one.model_copy(update={"until": to}) for one, to in ends if to > at]
            return known.model_copy(update={"secrets": (newest, *living)})

        bucket = self.store.bucket
        await records.update(bucket, key, Endpoint, change, is_idempotent=False)
        return secret

    async def enable(self, unit: str, id: str) -> None:
        """Send again at once, with all that waits. Raises NotFound."""
        now = utc_now(self.clock)
        await self.store.update_progress(unit, id, lambda one: progress.enable(one, now))

    async def replay(self, unit: str, id: str, since: datetime, until: datetime) -> int:
        """Send again the facts stored from *since* until *until*, under the same ids.

        Return how many facts that concerns. Raises NotFound, Invalid for a span without any.
        """
        endpoint = (await self.store.require(unit, id)).endpoint
        found = list[int]()
        async for one in self.statuses.scan(subjects.status(unit, "*"), await self._seq(since)):
            if one.at >= until:
                break
            if since <= one.at and one.fact.status.kind in endpoint.told_kinds:
                found.append(one.seq)
        if not found:
            raise Invalid(field_error("since", "callback_nothing_told"))
        again = partial(progress.replay, first=found[0], last=found[-1])
        await self.store.update_progress(unit, id, again)
        return len(found)

    async def _seq(self, since: datetime) -> int:
        first = await self.store.bus.first_seq_since(subjects.STATUS.name, since)
        return first or await self._last_seq() + 1
