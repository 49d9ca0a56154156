"""Headers of messages, as nats-py reads them."""

from random import Random

from nats.aio.client import Client

from producers.bus.client import BusClient

_PIECES = (
    *(b"Nats-Subject", b"Loa-Reason", b"a b", b"", b"\x1c", "tên".encode(), b"\xff", b"\xc3"),
    *(b":", b":", b": ", b"\r\n", b"\r\n", b"\r", b"\n", b" ", b"\t", b"\v", b"\f"),
    *("thư chết: không rõ".encode(), b"7", b"\x85", b"\xc2\x85", b"\xe1\xbb"),
)


def test_headers_are_read_as_nats_py_reads_them():
    chance = Random(7)
    for _ in range(5000):
        raw = b"".join(chance.choices(_PIECES, k=chance.randrange(12)))
        expected = Client._parse_header_lines(raw)
        assert BusClient._parse_header_lines(raw) == expected, raw
