"""The whole examination, in the order in which a mail meets it."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import datetime
from email.utils import parseaddr

from channels.email.build import House
from channels.email.doctor import dkim, dmarc, fields, relay, sample
from channels.email.doctor.finding import Finding, found
from channels.email.doctor.names import Address, Names, Silent
from channels.email.doctor.parting import part
from channels.email.doctor.spf import Spf
from channels.email.pool import Pool
from channels.email.preview import ADDRESS, plain
from channels.email.replies import Fate
from channels.email.return_path import BOX
from channels.email.settings import EmailSettings
from channels.email.smtp import REQUEST_TIMEOUT_S
from channels.email.window import Envelope
from channels.errors import ChannelError

Look = Callable[[], AsyncIterator[Finding]]


@dataclass
class Doctor:
    """Looks at what *house* sends; *now* is the moment at which certificates have to be valid."""

    house: House
    names: Names
    now: datetime

    async def examine(self) -> list[Finding]:
        """Every finding. A silent DNS server is one, too."""
        parts = (self.spf, self.dkim, self.dmarc, self.answers, self.relay, self.ptr)
        heard = await asyncio.gather(*(self.heard(one) for one in parts))
        return [finding for findings in heard for finding in findings] + self.mail()

    async def heard(self, look: Look) -> list[Finding]:
        findings: list[Finding] = []
        try:
            async for finding in look():
                findings.append(finding)
        except Silent as silent:
            findings.append(found("dns_silent", name=silent.name))
        return findings

    @property
    def envelope_domain(self) -> str:
        """The domain of the return path, which SPF is about."""
        settings = self.house.settings
        return (settings.bounce_domain or settings.domain).lower()

    async def spf(self) -> AsyncIterator[Finding]:
        seen = await self.addresses()
        for finding in await Spf(self.names).examine(self.envelope_domain, seen):
            yield finding

    async def dkim(self) -> AsyncIterator[Finding]:
        settings = self.house.settings
        async for finding in dkim.examine(self.names, settings.domain, settings.selectors):
            yield finding

    async def dmarc(self) -> AsyncIterator[Finding]:
        domain = self.house.settings.domain
        async for finding in dmarc.examine(self.names, domain, self.envelope_domain):
            yield finding

    async def answers(self) -> AsyncIterator[Finding]:
        """Whether answers and bounces have a host that takes them."""
        settings = self.house.settings
        addresses = (settings.sender, settings.reply_mailbox[1], settings.unsubscribe_to)
        domains = {parseaddr(one)[1].rpartition("@")[2].lower() for one in addresses if one}
        for domain in sorted(domains | {self.envelope_domain}):
            takes = await self.names.mails(domain) or await self.names.addresses(domain)
            yield found("answers_ok" if takes else "answers_nowhere", domain=domain)

    async def relay(self) -> AsyncIterator[Finding]:
        for settings in self.relays:
            for finding in await relay.examine(settings, self.now):
                yield finding

    async def ptr(self) -> AsyncIterator[Finding]:
        async for finding in relay.pointers(await self.addresses(), self.names):
            yield finding

    @property
    def relays(self) -> list[EmailSettings]:
        """How the first relay is reached, and the second if there is one."""
        first = self.house.settings
        return [first, first.fallback] if first.fallback else [first]

    async def addresses(self) -> list[Address]:
        """The relays' addresses that others can see. Raises Silent."""
        known = [await relay.addresses(settings, self.names) for settings in self.relays]
        return list(dict.fromkeys(address for some in known for address in some))

    def mail(self) -> list[Finding]:
        """What a mail looks like that is built as all are."""
        built = sample.envelope(self.house, self.now, ADDRESS)
        return list(fields.examine(plain(built.body), self.house.settings))

    def addressed(self, mail: Envelope) -> Envelope:
        """With a return path of the domain that the others have: receivers look at its SPF."""
        domain = self.house.settings.bounce_domain
        return mail._replace(sender=f"{BOX}@{domain}".encode()) if domain else mail

    async def send(self, to: str) -> Finding:
        """Send such a mail. Raises guard.Unsafe for an address that is none."""
        mail = self.addressed(sample.envelope(self.house, self.now, to))
        pool = Pool(self.house.settings, REQUEST_TIMEOUT_S)
        try:
            connection, _ = await pool.take()
        except ChannelError as trouble:
            return found("sent_not", reply=trouble.reason)
        [reply] = await connection.send_window([mail], lambda: False)
        await part(connection.wire)
        if reply.fate is Fate.ACCEPTED:
            return found("sent_ok")
        return found("sent_not", reply=f"{reply.stage.upper()} {reply.reason}")
