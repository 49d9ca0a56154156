"""Every channel has an entry in the registry."""

from consumers.app.channel_registry import CHANNELS
from contracts.delivery import ChannelName


def test_every_channel_has_an_entry():
    assert set(CHANNELS) == set(ChannelName)
