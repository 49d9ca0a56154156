"""A small DNS server for tests: a zone as a table, on a loopback port that the system chooses.

async with DnsServer({("moha.example", "TXT"): ['"v=spf1 -all"']}) as server:
    await server.client.txt_records("moha.example")
"""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset

from channels.email.doctor.dns_client import DnsClient

Zone = Mapping[tuple[str, str], Sequence[str]]
TTL = 60


class DnsServer(asyncio.DatagramProtocol):
    """Answers from *zone*; says nothing at all about the names in *silent*."""

    def __init__(self, zone: Zone, silent: Sequence[str] = ()) -> None:
        self.zone = dict(zone)
        self.silent = set(silent)
        self.asked: list[tuple[str, str]] = []
        self.port = 0

    async def __aenter__(self) -> "DnsServer":
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_datagram_endpoint(lambda: self, ("127.0.0.1", 0))
        self.port = transport.get_extra_info("sockname")[1]
        return self

    @property
    def client(self) -> DnsClient:
        return DnsClient(("127.0.0.1", self.port))

    async def __aexit__(self, *_exc: object) -> None:
        self.transport.close()

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, addr: Any) -> None:
        query = dns.message.from_wire(data)
        [question] = query.question
        name = question.name.to_text(omit_final_dot=True).lower()
        kind = dns.rdatatype.to_text(question.rdtype)
        self.asked.append((name, kind))
        if name not in self.silent:
            self.transport.sendto(self.answer(query, name, kind).to_wire(), addr)

    def answer(self, query: dns.message.Message, name: str, kind: str) -> dns.message.Message:
        reply = dns.message.make_response(query)
        reply.flags |= dns.flags.AA | dns.flags.RA
        records = self.zone.get((name, kind), [])
        if records:
            owner = query.question[0].name
            reply.answer.append(dns.rrset.from_text_list(owner, TTL, "IN", kind, list(records)))
        elif not any(name == known or known.endswith(f".{name}") for known, _ in self.zone):
            reply.set_rcode(dns.rcode.NXDOMAIN)
        return reply
