"""Uploaded files as the portal gets them; see `channels.portal.storage.uploads`."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

import structlog

from consumers.runtime.errors import unreachable_without_bus
from consumers.uploads.kept import find_kept
from contracts.desk.uploads import UploadAddress
from producers.bus import Bus
from producers.bus.errors import DamagedObject
from producers.object_store import ObjectStore

log = structlog.get_logger()


@dataclass(frozen=True)
class PublicUploads:
    """The files of the object store."""

    bus: Bus

    async def read(self, address: UploadAddress) -> AsyncIterator[bytes]:
        """The content of a file in pieces; none or wrong ones if it is not kept, or damaged.

        Raises Unreachable.
        """
        store = ObjectStore(self.bus)
        with unreachable_without_bus():
            try:
                if found := await find_kept(store, address):
                    async for piece in store.read(found):
                        yield piece
            except DamagedObject:
                log.error("upload_damaged", hash=address.hash)
