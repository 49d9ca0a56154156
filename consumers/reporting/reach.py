"""How many people an item can reach: an upper bound, from the sizes of what is kept of them."""

from collections.abc import Collection

from contracts import subjects
from contracts.delivery import ChannelName
from producers.bus import Bus

_KEYS_OF_A_READER = 2
"""The record, and the hash of the address that leads to it."""


async def largest_reach(bus: Bus, channels: Collection[ChannelName]) -> int:
    """The most people whom an item on *channels* can reach; the portal reaches who looks."""
    reach = 0
    if ChannelName.EMAIL in channels:
        reach += await _keys(bus, subjects.SUBSCRIBERS.name) // _KEYS_OF_A_READER
    if ChannelName.ZALO in channels:
        reach += await known_followers(bus)
    return reach


async def known_followers(bus: Bus) -> int:
    """The followers on Zalo that Loa knows of."""
    return await _keys(bus, subjects.FOLLOWERS.name)


async def _keys(bus: Bus, bucket: str) -> int:
    state = (await bus.stream_info(f"KV_{bucket}"))["state"]
    return int(state.get("num_subjects", 0))
