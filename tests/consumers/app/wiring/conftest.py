"""A process without services, for the tests of wiring."""

from contextlib import AsyncExitStack
from unittest.mock import MagicMock

import pytest

from channels.email.settings import EmailSettings
from channels.zalo.settings import ZaloSettings
from consumers.app.broker import BrokerWatch
from consumers.app.node import Node
from consumers.app.settings import LoaSettings


@pytest.fixture
async def node(bus, tmp_path):
    """A process on a port that the system chose, with no service yet."""
    settings = LoaSettings(_env_file=None, data_dir=tmp_path, http_port=0)
    email, zalo = EmailSettings(_env_file=None), ZaloSettings(_env_file=None)
    async with AsyncExitStack() as stack:
        yield Node(
            *(settings, email, zalo, bus, MagicMock(), BrokerWatch()), "http://127.0.0.1:1", stack
        )
