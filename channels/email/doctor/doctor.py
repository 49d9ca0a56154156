"""Examine the mail set-up in the order in which a mail meets it; build and send a sample mail."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from email.utils import parseaddr
from functools import cached_property

from channels.email.dkim_signer import open_signer
from channels.email.doctor import dkim, dmarc, mail_check, relay, spf
from channels.email.doctor.dns_client import DnsClient
from channels.email.doctor.finding import Finding, finding_texts, new_finding
from channels.email.errors import DnsUnanswered
from channels.email.relays import RelaySettings, load_relays
from channels.email.render.build import MailContext
from channels.email.render.preview import SAMPLE_ADDRESS, remove_dot_stuffing, sample_recipient
from channels.email.render.publication import RenderedPublication
from channels.email.return_path import REPORTS_LOCAL_PART
from channels.email.smtp.connection import REQUEST_TIMEOUT_S
from channels.email.smtp.mail_result import MailStatus
from channels.email.smtp.pool import ConnectionPool
from channels.email.smtp.window import Envelope
from channels.errors import ChannelError
from contracts.publication import Publication


def _sample_publication(context: MailContext, now: datetime) -> Publication:
    """A publication of the first topic and unit in the vocabulary."""
    words = context.vocabulary
    return Publication.model_validate(
        {
            "action": "published",
            "content_id": f"thu-kiem-tra-{now:%Y%m%d%H%M%S}",
            "revision": 1,
            "unit": next(iter(words.units)),
            "topic": next(iter(words.topics)),
            **finding_texts()["sample"],
            "first_released_at": now,
            "released_at": now,
            "event_id": "kiem-tra",
        }
    )


def _sample_envelope(context: MailContext, now: datetime, to: str) -> Envelope:
    """A mail built like all others. Raises UnsafeHeader."""
    item = _sample_publication(context, now)
    return RenderedPublication(item, context).envelope(sample_recipient(item, address=to))


async def _explained(check: AsyncIterator[Finding]) -> AsyncIterator[Finding]:
    """All findings of *check*; an unanswered DNS query ends it with one more."""
    try:
        async for finding in check:
            yield finding
    except DnsUnanswered as error:
        yield new_finding("dns_silent", name=error.name)


async def _merged(checks: Sequence[AsyncIterator[Finding]]) -> AsyncIterator[Finding]:
    """The findings of all *checks*, which run at the same time, each as soon as it is known."""
    waiting = {_next_of(check): check for check in checks}
    try:
        while waiting:
            done, _ = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            for task in [task for task in waiting if task in done]:
                check = waiting.pop(task)
                if finding := task.result():
                    waiting[_next_of(check)] = check
                    yield finding
    finally:
        for task in waiting:
            task.cancel()


def _next_of(check: AsyncIterator[Finding]) -> "asyncio.Task[Finding | None]":
    """The next finding of *check*; None after its last."""

    async def find() -> Finding | None:
        return await anext(check, None)

    return asyncio.create_task(find())


@dataclass
class Doctor:
    """Examination of *context*; certificates have to be valid at *now*."""

    context: MailContext
    dns: DnsClient
    now: datetime

    async def examine(self) -> AsyncIterator[Finding]:
        """All findings as soon as they are known, also those of an unanswered DNS query."""
        settings = self.context.settings
        for finding in self.check_mail():
            yield finding
        if not self.relays:
            yield new_finding("relay_none")
        checks = (
            *(relay.examine(each, self.now, self.envelope_sender) for each in self.relays),
            self.check_spf(),
            self.check_dkim(),
            dmarc.examine(self.dns, settings.domain, self.envelope_domain),
            self.check_reply_hosts(),
            relay.reverse_dns_findings(self.relays, self.dns),
        )
        async for finding in _merged([*map(_explained, checks)]):
            yield finding

    @property
    def envelope_domain(self) -> str:
        """Domain of the return path, which SPF checks."""
        settings = self.context.settings
        return (settings.bounce_domain or settings.domain).lower()

    async def check_dkim(self) -> AsyncIterator[Finding]:
        """The keys of all selectors. Raises Invalid for a key of our own that can't be used."""
        settings, own = self.context.settings, open_signer(self.context.settings)
        names = settings.dkim_selector_names
        async for finding in dkim.examine(self.dns, settings.domain, names, own):
            yield finding

    async def check_spf(self) -> AsyncIterator[Finding]:
        relays = await relay.public_addresses(self.relays, self.dns)
        async for finding in spf.examine(self.dns, self.envelope_domain, relays):
            yield finding

    async def check_reply_hosts(self) -> AsyncIterator[Finding]:
        """Whether replies and bounces have a host that accepts them."""
        settings = self.context.settings
        addresses = (settings.sender, settings.reply_mailbox[1], settings.unsubscribe_to)
        domains = {parseaddr(text)[1].rpartition("@")[2].lower() for text in addresses if text}
        for domain in sorted(domains | {self.envelope_domain}):
            hosts = await self.dns.mail_hosts(domain) or await self.dns.addresses(domain)
            yield new_finding("answers_ok" if hosts else "answers_nowhere", domain=domain)

    @cached_property
    def relays(self) -> tuple[RelaySettings, ...]:
        """All relays, standbys too. Raises Invalid for their file."""
        return load_relays(self.context.settings)

    def check_mail(self) -> Iterator[Finding]:
        """Findings in a mail built like all others."""
        mail = _sample_envelope(self.context, self.now, SAMPLE_ADDRESS)
        return mail_check.examine(remove_dot_stuffing(mail.body), self.context.settings)

    @property
    def envelope_sender(self) -> bytes:
        """A return path of the usual domain, whose SPF receivers check."""
        settings = self.context.settings
        domain = settings.bounce_domain
        return (f"{REPORTS_LOCAL_PART}@{domain}" if domain else settings.sender).encode("ascii")

    async def send_sample(self, to: str) -> Finding:
        """Send a sample mail. Raises UnsafeHeader."""
        mail = _sample_envelope(self.context, self.now, to)._replace(sender=self.envelope_sender)
        if signer := open_signer(self.context.settings):
            mail = mail._replace(body=signer.sign(mail.body))
        pool = ConnectionPool(self.context.settings, relay.DIALOGUE_TIMEOUT_S)
        pool.open_timeout_s = relay.DIALOGUE_TIMEOUT_S
        pool.end_timeout_s = REQUEST_TIMEOUT_S  # relays examine a mail before they accept it
        try:
            connection, _ = await pool.acquire()
        except ChannelError as error:
            return new_finding("sent_not", reply=error.reason)
        [result] = await connection.send_window([mail], lambda: False)
        await connection.quit()
        if result.status is MailStatus.ACCEPTED:
            return new_finding("sent_ok")
        return new_finding("sent_not", reply=f"{result.stage.upper()} {result.reason}")
