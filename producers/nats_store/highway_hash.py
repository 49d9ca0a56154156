"""HighwayHash-64, with which nats-server checks its files of settings.

After Alakuijala, Cox and Wassenberg, "Fast keyed hash/pseudo-random function using SIMD multiply
and permute" (2016). The state is four vectors of four lanes, 64 bits each.
"""

import struct
from collections.abc import Iterable

Lanes = tuple[int, ...]

_LANES = struct.Struct("<4Q")
_HALVES = struct.Struct("<8I")
_MASK, _LOW = (1 << 64) - 1, (1 << 32) - 1
_INIT_0: Lanes = (0xDBE6D5D5FE4CCE2F, 0xA4093822299F31D0, 0x13198A2E03707344, 0x243F6A8885A308D3)
_INIT_1: Lanes = (0x3BD39E10CB0EF593, 0xC0ACF169B5F18A8C, 0xBE5466CF34E90C6C, 0x452821E638D01377)
_ZIPPER = (3, 12, 2, 5, 14, 1, 15, 0, 11, 4, 10, 13, 9, 6, 8, 7)
_SHUFFLE = (*_ZIPPER, *(16 + one for one in _ZIPPER))
_FINAL_ROUNDS = 4


def highway_hash_64(key: bytes, data: bytes) -> bytes:
    """The hash of *data* under a *key* of 32 bytes, in little-endian order."""
    state = _State(key)
    whole = len(data) - len(data) % 32
    for start in range(0, whole, 32):
        state.update(_LANES.unpack_from(data, start))
    if whole < len(data):
        state.update_rest(data[whole:])
    return state.finish()


class _State:
    def __init__(self, key: bytes) -> None:
        lanes = _LANES.unpack(key)
        self.mul0, self.mul1 = _INIT_0, _INIT_1
        self.v0 = _xor(_INIT_0, lanes)
        self.v1 = _xor(_INIT_1, map(_swap_halves, lanes))

    def update(self, packet: Lanes) -> None:
        self.v1 = _add(self.v1, _add(self.mul0, packet))
        self.mul0 = _xor(self.mul0, _multiply(self.v1, self.v0))
        self.v0 = _add(self.v0, self.mul1)
        self.mul1 = _xor(self.mul1, _multiply(self.v0, self.v1))
        self.v0 = _add(self.v0, _shuffle(self.v1))
        self.v1 = _add(self.v1, _shuffle(self.v0))

    def update_rest(self, rest: bytes) -> None:
        """Take the last 1 to 31 bytes."""
        size, odd = len(rest), len(rest) % 4
        self.v0 = _add(self.v0, ((size << 32) + size,) * 4)
        halves = _HALVES.unpack(_LANES.pack(*self.v1))
        turned = ((half << size | half >> (32 - size)) & _LOW for half in halves)
        self.v1 = _LANES.unpack(_HALVES.pack(*turned))
        packet = bytearray(rest[: size - odd].ljust(32, b"\0"))
        if size & 16:
            packet[28:] = rest[-4:]
        elif odd:
            packet[16:19] = rest[-odd], rest[-odd + odd // 2], rest[-1]
        self.update(_LANES.unpack(packet))

    def finish(self) -> bytes:
        for _ in range(_FINAL_ROUNDS):
            self.update(tuple(map(_swap_halves, self.v0[2:] + self.v0[:2])))
        total = self.v0[0] + self.v1[0] + self.mul0[0] + self.mul1[0]
        return (total & _MASK).to_bytes(8, "little")


def _swap_halves(lane: int) -> int:
    return (lane >> 32) | (lane & _LOW) << 32


def _add(left: Lanes, right: Lanes) -> Lanes:
    return tuple((a + b) & _MASK for a, b in zip(left, right, strict=True))


def _xor(left: Lanes, right: Iterable[int]) -> Lanes:
    return tuple(a ^ b for a, b in zip(left, right, strict=True))


def _multiply(low: Lanes, high: Lanes) -> Lanes:
    """The products of the low halves of *low* and the high halves of *high*."""
    return tuple((a & _LOW) * (b >> 32) for a, b in zip(low, high, strict=True))


def _shuffle(lanes: Lanes) -> Lanes:
    mixed = _LANES.pack(*lanes)
    return _LANES.unpack(bytes(mixed[one] for one in _SHUFFLE))
