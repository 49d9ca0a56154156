"""Addresses that lead inside, in the forms in which a URL can hide them."""

import socket
from collections.abc import Iterator

INSIDE = ("127.0.0.1", "10.0.0.1", "169.254.169.254", "100.100.100.200", "192.168.1.1", "0.0.0.0")
"""This machine, private networks, and where clouds give out their keys."""
NAMES = (
    *(
        "localhost",
        "LOCALHOST.",
        "localhost%00",
        "\u24db\u24de\u24d2\u24d0\u24db\u24d7\u24de\u24e2\u24e3",
    ),
    *(
        "localho\u017ft",
        "localhost\u3002",
        "loc\u00adalhost",
        "localhost.localdomain",
        "ip6-localhost",
    ),
    *("metadata.google.internal", "metadata", "instance-data", "kubernetes.default.svc", "wpad"),
    *("127.0.0.1.nip.io", "spoofed.burpcollaborator.net", "xn--localhost-.vn", "a.localhost"),
)


def hidden_hosts(address: str) -> Iterator[str]:
    """*address* in forms that some resolver, library or browser takes for it."""
    a, b, c, d = (int(part) for part in address.split("."))
    number, tail = int.from_bytes(socket.inet_aton(address), "big"), (b << 16) + (c << 8) + d
    high, low = (a << 8) + b, (c << 8) + d
    yield from (address, f"{address}.", str(number), hex(number), f"0{number:o}", f"{number}.")
    yield from (str(number + 2**32), f"0x{number:010x}", f"{a}.{tail}", f"{a}.{b}.{low}")
    yield ".".join(hex(part) for part in (a, b, c, d))
    yield ".".join(f"0{part:o}" for part in (a, b, c, d))
    yield ".".join(f"{part:03d}" for part in (a, b, c, d))
    yield f"0x{a:x}.{b}.0{c:o}.{d}"
    yield "".join(chr(0xFF10 + int(sign)) if sign.isdigit() else sign for sign in address)
    yield from (address.replace(".", dot) for dot in "\u3002\uff0e\uff61")
    yield "".join(f"%{ord(sign):02x}" for sign in address)
    yield from (f"[::ffff:{address}]", f"[::ffff:0:{address}]", f"[::{address}]")
    yield from (
        f"[64:ff9b::{address}]",
        f"[2002:{high:x}:{low:x}::1]",
        f"[::FFFF:{high:X}:{low:X}]",
    )
    yield from (f"[0000:0000:0000:0000:0000:ffff:{high:04x}:{low:04x}]", f"[::ffff:{address}%25lo]")
    yield from (f"moha.gov.vn@{address}", f"moha.gov.vn:80@{address}", f"{address}\\@moha.gov.vn")
    yield from (
        f"moha.gov.vn%40{address}",
        f"@{address}",
        f"{address}#@moha.gov.vn",
        f"{address}?@a.vn",
    )
    yield from (f" {address}", f"\t{address}", f"\r\n{address}", f"{address}\x00.moha.gov.vn")


FORGED_HOSTS = tuple(
    dict.fromkeys(
        (*(form for one in INSIDE for form in hidden_hosts(one)), *NAMES, "[::1]", "[::]")
    )
)


def careless_lookup(host: str) -> str:
    """The address that the most permissive resolver finds: every form of a number counts."""
    try:
        return socket.inet_ntoa(socket.inet_aton(host.rstrip(".")))
    except (OSError, ValueError):
        return "127.0.0.1"
