"""Endpoints: web addresses of units' systems that are called with facts about their items."""

import base64
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import structlog
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from pydantic import AwareDatetime

from consumers.callbacks.progress import Progress
from consumers.errors import KeyFileBroken
from consumers.messages import field_error
from contracts import subjects
from contracts.errors import NotFound
from contracts.facts.content_status import StatusKind
from contracts.records import Record
from producers.bus import Bucket, Bus, Value, records
from producers.bus.records import Versioned, parse

log = structlog.get_logger()
_PURPOSE = "callbacks"
_NONCE_BYTES = 12
_ENDPOINT, _PROGRESS = "endpoint.", "progress."


class EndpointSecret(Record):
    """A secret, encrypted; `until` is set when a newer one has replaced it."""

    sealed: str
    created: AwareDatetime
    until: AwareDatetime | None = None


class Endpoint(Record):
    """Bucket `callbacks`, key `endpoint.<unit>.<id>`. `url` and `contact` are encrypted.

    `origin`: scheme, host and port, which is all of the address that is shown. `kinds`: those that
    were chosen; empty for all, also those of later versions.
    """

    origin: str
    url: str
    kinds: tuple[StatusKind, ...] = ()
    contact: str
    secrets: tuple[EndpointSecret, ...]
    created: AwareDatetime

    @property
    def told_kinds(self) -> tuple[StatusKind, ...]:
        return self.kinds or tuple(StatusKind)


@dataclass(frozen=True)
class EndpointCipher:
    """Encrypts an endpoint's secret fields, bound to it. *derive* gives the key of a purpose."""

    derive: Callable[[str], bytes]

    def encrypt(self, key: str, plain: str) -> str:
        nonce = os.urandom(_NONCE_BYTES)
        sealed = self._cipher.encrypt(nonce, plain.encode(), key.encode())
        return base64.b64encode(nonce + sealed).decode()

    def decrypt(self, key: str, sealed: str) -> str:
        """Raises KeyFileBroken for a value of another key file, or of another endpoint."""
        try:
            data = base64.b64decode(sealed)
            nonce, data = data[:_NONCE_BYTES], data[_NONCE_BYTES:]
            return self._cipher.decrypt(nonce, data, key.encode()).decode()
        except (InvalidTag, ValueError) as wrong:
            raise KeyFileBroken(
                "a callback's secret was encrypted with another key file"
            ) from wrong

    @property
    def _cipher(self) -> AESGCM:
        return AESGCM(self.derive(_PURPOSE))


class ListedEndpoint(Record):
    """One endpoint with its progress, as commands and pages show it."""

    unit: str
    id: str
    endpoint: Endpoint
    progress: Progress
    revision: int
    """Of the progress."""

    @property
    def key(self) -> str:
        return endpoint_key(self.unit, self.id)

    @property
    def state(self) -> str:
        """`on`, `down` while it does not answer, or why it is called no more."""
        if self.progress.disabled:
            return self.progress.disabled.reason
        return "down" if self.progress.is_down else "on"


@dataclass(frozen=True)
class EndpointStore:
    """The bucket `callbacks`. Every change is a compare-and-set. Raises BusError."""

    bus: Bus

    @property
    def bucket(self) -> Bucket:
        return self.bus.bucket(subjects.CALLBACKS.name)

    async def all(self) -> list[ListedEndpoint]:
        """Every endpoint, by unit and age."""
        found = {key: value async for key, value in self.bucket.values()}
        listed = [_listed(key, found) for key in found if key.startswith(_ENDPOINT)]
        return sorted(
            filter(None, listed), key=lambda one: (one.unit, one.endpoint.created, one.id)
        )

    async def of_unit(self, unit: str) -> list[ListedEndpoint]:
        return [one for one in await self.all() if one.unit == unit]

    async def require(self, unit: str, id: str) -> ListedEndpoint:
        """Raises NotFound."""
        for one in await self.of_unit(unit):
            if one.id == id:
                return one
        raise NotFound(field_error("endpoint", "callback_unknown", value=id, unit=unit))

    async def progress(self, unit: str, id: str) -> Versioned[Progress | None]:
        return await records.read(self.bucket, progress_key(unit, id), Progress)

    async def keep(self, unit: str, id: str, known: Versioned[Progress]) -> Versioned[Progress]:
        """Replace the progress as it was read. Raises RevisionConflict, NoReply."""
        return await records.write(self.bucket, progress_key(unit, id), known.value, known.revision)

    async def update_progress(
        self, unit: str, id: str, change: Callable[[Progress], Progress]
    ) -> None:
        """Raises NotFound."""

        def transition(found: Progress | None) -> Progress:
            if found is None:
                raise NotFound(field_error("endpoint", "callback_unknown", value=id, unit=unit))
            return change(found)

        key = progress_key(unit, id)
        await records.update(self.bucket, key, Progress, transition, is_idempotent=False)


def _listed(key: str, found: Mapping[str, Value]) -> ListedEndpoint | None:
    """An endpoint; None while it is being added or removed, and for an unreadable one."""
    _, unit, id = key.split(".")
    value = found.get(progress_key(unit, id))
    if value is None:
        return None
    endpoint, progress = parse(Endpoint, found[key].data), parse(Progress, value.data)
    if endpoint is None or progress is None:
        log.error("record_unreadable", record=key)
        return None
    return ListedEndpoint(
        unit=unit, id=id, endpoint=endpoint, progress=progress, revision=value.revision
    )


def endpoint_key(unit: str, id: str) -> str:
    return f"{_ENDPOINT}{unit}.{id}"


def progress_key(unit: str, id: str) -> str:
    return f"{_PROGRESS}{unit}.{id}"
