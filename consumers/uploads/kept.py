"""The stored file of an address: its content, under the ending that the check gave it."""

from pathlib import Path

from contracts.desk.uploads import UploadAddress
from producers.object_store import ObjectStore, StoredObject

NAME = "name"
"""The fact of a stored object that holds the safe name it was kept under."""


async def find_kept(store: ObjectStore, address: UploadAddress) -> StoredObject | None:
    """The file of *address*; None for one that is not kept, or kept as another kind.

    Its ending decides as what browsers take it. Raises BusError.
    """
    found = await store.find(address.hash)
    if found is None or Path(found.info.metadata.get(NAME, "")).suffix != address.ending:
        return None
    return found
