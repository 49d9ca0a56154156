"""Uploaded files that a text names and that are not kept under that ending."""

from collections.abc import Mapping
from typing import Any

from consumers.messages import field_error
from consumers.uploads.kept import find_kept
from contracts.desk.uploads import named_by_fields
from contracts.errors import FieldError
from producers.object_store import ObjectStore


async def missing_uploads(store: ObjectStore, data: Mapping[str, Any]) -> list[FieldError]:
    """An error for each file of an event's *data* that is not kept. Raises BusError."""
    return [
        field_error(f"data.{name}", "upload_missing", value=address.path)
        for name, address in named_by_fields(data)
        if await find_kept(store, address) is None
    ]
