"""Fixtures of the editorial log's tests."""

import pytest

from producers.bus import Bus


@pytest.fixture
def acts_read(monkeypatch) -> list[int]:
    """The sequences of the acts that were read from the bus."""
    scan, read = Bus.scan, []

    async def counted(self, *args, **more):
        async for message in scan(self, *args, **more):
            read.append(message.seq)
            yield message

    monkeypatch.setattr(Bus, "scan", counted)
    return read
