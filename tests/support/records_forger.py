"""A writer on the bus without the key, and records of Loa in its sight."""

import json
from dataclasses import dataclass, replace
from typing import Any

from consumers.key_file import KeyFile
from consumers.seals.records import TakenOverUntil, nothing_before, seal_records
from contracts.base.seals import SEAL_HEADER
from producers.bus import Bus, Message, RevisionConflict
from producers.bus.publish import EXPECTED_REVISION_HEADER

_SENT_AGAIN = (SEAL_HEADER, EXPECTED_REVISION_HEADER)


def seal_new_records(bus: Bus, keys: KeyFile) -> None:
    """Let *bus* seal and verify records, on data that was never without seals."""
    seal_records(bus, keys, TakenOverUntil(nothing_before, nothing_before))


@dataclass
class RecordsForger:
    """Reads everything, remembers what it likes, and stores what the server takes."""

    bus: Bus

    async def message(self, bucket: str, key: str) -> Message:
        found = await self.bus.last_message(f"KV_{bucket}", f"$KV.{bucket}.{key}")
        assert found is not None, f"{bucket}.{key}"
        return found

    async def write(self, bucket: str, key: str, value: Any) -> None:
        """Store *value* as JSON, without a seal."""
        data = value if isinstance(value, bytes) else json.dumps(value).encode()
        await self.bus.publish(f"$KV.{bucket}.{key}", data)

    async def change(self, bucket: str, key: str, **changes: Any) -> None:
        """Change fields of a record under the seal that it has."""
        message = await self.message(bucket, key)
        data = json.dumps(json.loads(message.data) | changes).encode()
        await self.send_again(replace(message, data=data), is_swap=True)

    async def move(self, bucket: str, key: str, target: str) -> None:
        """Copy a record with its seal to another key."""
        message = await self.message(bucket, key)
        await self.send_again(replace(message, subject=f"$KV.{bucket}.{target}"))

    async def send_again(self, message: Message, *, is_swap: bool = False) -> bool:
        """Store *message* again with its own headers; False if the server refuses.

        With *is_swap*, it expects the present revision, as a careful forger would.
        """
        headers = {name: message.headers[name] for name in _SENT_AGAIN if name in message.headers}
        if is_swap:
            stream = f"KV_{message.subject.split('.')[1]}"
            present = await self.bus.last_message(stream, message.subject)
            headers[EXPECTED_REVISION_HEADER] = str(present.seq if present else 0)
        try:
            await self.bus.publish(message.subject, message.data, headers=headers)
        except RevisionConflict:
            return False
        return True
