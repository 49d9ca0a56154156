"""Reverse proxies in front of Loa, and the client that they name in X-Forwarded-For."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network, ip_network

from starlette.types import ASGIApp, Receive, Scope, Send

from contracts.base.networks import parse_address

_EVERYONE = "*"
_SCHEMES = ("http", "https")
_CHAIN_MAX = 1024


@dataclass(frozen=True)
class TrustedProxies:
    """Addresses and networks whose X-Forwarded-For is believed; `*` is every peer."""

    networks: tuple[IPv4Network | IPv6Network, ...] = ()
    trusts_all: bool = False

    @classmethod
    def parse(cls, text: str) -> "TrustedProxies":
        """Raises ValueError for a part that is neither an address nor a network."""
        parts = [part.strip() for part in text.split(",") if part.strip()]
        networks = tuple(ip_network(part) for part in parts if part != _EVERYONE)
        return cls(networks, _EVERYONE in parts)

    def trusts(self, peer: str) -> bool:
        """Whether the peer of a connection is a proxy, or loopback that is listed as one."""
        if self.trusts_all:
            return True
        address = parse_address(peer)
        return address is not None and any(address in network for network in self.networks)

    def client_address(self, peer: str, forwarded: str) -> str:
        """The client's address: the last one that a proxy saw, before it in the chain proxies only.

        The client itself can write everything but the last entry. So an entry is passed over only
        if it is surely a proxy; a chain of proxies alone counts as its last entry.
        """
        if not self.trusts(peer):
            return peer
        nearest = ""
        for entry in reversed(forwarded.split(",")):
            address = _entry_address(entry)
            if not address:
                break
            nearest = nearest or address
            if not self._is_surely_proxy(address):
                return address
        return nearest or peer

    def _is_surely_proxy(self, text: str) -> bool:
        """Whether *text* is listed by itself, or within a public network that is listed.

        Clients live in private networks, too, so being in one that is listed proves nothing.
        """
        address = parse_address(text)
        return address is not None and any(
            address in network and (network.num_addresses == 1 or network.is_global)
            for network in self.networks
        )


class ForwardedClient:
    """ASGI middleware that sets client and scheme to those that a trusted proxy names."""

    def __init__(self, app: ASGIApp, proxies: TrustedProxies) -> None:
        self.app = app
        self.at_once = getattr(app, "at_once", None)
        self.client_address = lru_cache(maxsize=4096)(proxies.client_address)
        self.trusts = lru_cache(maxsize=4096)(proxies.trusts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope.get("client"):
            self.apply(scope)
        await self.app(scope, receive, send)

    def apply(self, scope: Scope) -> None:
        peer = scope["client"][0]
        if not self.trusts(peer):
            return
        if forwarded := _header_values(scope["headers"], b"x-forwarded-for"):
            scope["client"] = (self.client_address(peer, _last_entries(",".join(forwarded))), 0)
        schemes = _header_values(scope["headers"], b"x-forwarded-proto")
        if schemes and schemes[-1].strip() in _SCHEMES:
            scope["scheme"] = schemes[-1].strip()


def _header_values(headers: Iterable[tuple[bytes, bytes]], wanted: bytes) -> list[str]:
    return [value.decode("latin-1") for name, value in headers if name == wanted]


def _last_entries(chain: str) -> str:
    """The end of *chain*, which the nearest proxies wrote; short, because results are cached."""
    return chain if len(chain) <= _CHAIN_MAX else chain[-_CHAIN_MAX:].partition(",")[2]


def _entry_address(entry: str) -> str:
    """The address in one entry, without brackets and port; empty for anything else."""
    text = entry.strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    address = parse_address(text)
    return str(address) if address else ""
