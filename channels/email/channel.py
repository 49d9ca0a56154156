"""E-mail as a channel: renders a publication once, sends windows over pooled connections."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import structlog

from channels.base import Canary, Content, Deadline, Outcome, Recipient, Verdict
from channels.email import canary as canaries
from channels.email import verdicts
from channels.email.build import House
from channels.email.digest import RenderedDigest
from channels.email.guard import Unsafe
from channels.email.letter_mail import RenderedLetter
from channels.email.notice import RenderedNotice
from channels.email.pool import Pool
from channels.email.relay_log import RelayLog
from channels.email.render import Rendered
from channels.email.replies import LET_GO, Fate
from channels.email.return_path import ReturnPaths
from channels.email.settings import EmailSettings
from channels.email.smtp import REQUEST_TIMEOUT_S, SmtpConnection
from channels.email.unsubscribe import Signer
from channels.email.window import Envelope
from channels.errors import ChannelError, Unreachable
from contracts import keys
from contracts.case import CaseNotice
from contracts.delivery import ChannelName
from contracts.digest import Digest
from contracts.letter import TELLING, Letter
from contracts.vocabulary import DEFAULT, Vocabulary

log = structlog.get_logger()
Mail = Rendered | RenderedNotice | RenderedLetter | RenderedDigest
TROUBLE_S = 30.0
"""The pause after a connection on which nothing could be sent."""
LET_GO_S = 1.0
RESEND = Outcome(Verdict.RESEND, "same Message-ID")
TAKEN = Outcome(Verdict.DELIVERED, "the relay's log")


class EmailChannel:
    """Hands one mail per row to the relay, at least once: a row in doubt is sent again.

    With *paths* each mail has a return path of its own, which leads back to its row.
    """

    name = ChannelName.EMAIL
    window = 25
    request_timeout_s = REQUEST_TIMEOUT_S
    settle_s = REQUEST_TIMEOUT_S + 30.0

    def __init__(
        self,
        settings: EmailSettings,
        public_url: str,
        signer: Signer,
        vocabulary: Vocabulary = DEFAULT,
        paths: ReturnPaths | None = None,
    ) -> None:
        self.paths = paths
        self.house = House(settings, public_url.rstrip("/"), signer, vocabulary)
        self.connections = settings.connections
        self.pool = Pool(settings, self.request_timeout_s)
        self.relay_log = RelayLog(settings.relay_log) if settings.relay_log else None

    def render(self, content: Content) -> Mail:
        """The publication, the notice, the letter or the digest, ready to be addressed."""
        if isinstance(content, CaseNotice):
            return RenderedNotice(content, self.house)
        if isinstance(content, Letter):
            return RenderedLetter(content, self.house)
        if isinstance(content, Digest):
            return RenderedDigest(content, self.house)
        return Rendered(content, self.house)

    @asynccontextmanager
    async def session(self) -> AsyncIterator["EmailSession"]:
        """A connection for one batch. Raises Unreachable or Misconfigured."""
        connection, new = await self.pool.take()
        session = EmailSession(self, connection, new)
        try:
            yield session
        finally:
            self.pool.give_back(session.connection)

    async def close(self) -> None:
        self.pool.close()


class EmailSession:
    """Sends over one connection at a time; opens another when the relay has ended it."""

    def __init__(self, channel: EmailChannel, connection: SmtpConnection, new: bool) -> None:
        self.pool = channel.pool
        self.house = channel.house
        self.paths = channel.paths
        self.relay_log = channel.relay_log
        self.connection = connection
        self.new = new  # no mail has been settled on it yet
        self.opening: asyncio.Timeout | None = None

    async def send(
        self, rendered: Mail, rows: Sequence[Recipient], expired: Deadline
    ) -> list[Outcome]:
        """One outcome per row, in order. A row whose values are unsafe fails; the rest is sent."""
        outcomes: dict[int, Outcome] = {}
        mails: dict[int, Envelope] = {}
        asked = isinstance(rendered, RenderedLetter) and rendered.letter.kind not in TELLING
        for number, row in enumerate(rows):
            try:
                mails[number] = self.envelope(rendered, row)
            except Unsafe as unsafe:
                outcomes[number] = Outcome(Verdict.FAILED, f"unsafe {unsafe}", asked=False)
        again = bool(mails)
        while again:
            said, again = await self.attempt(list(mails.values()), expired)
            said = [verdicts.ended(one) for one in said] if asked else said
            outcomes |= dict(zip(mails, said, strict=True))
            mails = {n: m for n, m in mails.items() if outcomes[n].verdict is Verdict.UNSENT}
            again = again and bool(mails)
        return [outcomes[number] for number in range(len(rows))]

    def envelope(self, rendered: Mail, row: Recipient) -> Envelope:
        """One reader's mail, with the way back to its row. Raises Unsafe."""
        mail = rendered.envelope(row)
        if self.paths is None or not (place := self.place(self.paths, rendered, row)):
            return mail
        return Envelope(mail.recipient, mail.body, *self.paths.path(place))

    def place(self, paths: ReturnPaths, rendered: Mail, row: Recipient) -> str:
        """What its return path says: where it stands; of a letter, to whom it went."""
        if isinstance(rendered, RenderedLetter):
            return paths.letter(row.address, rendered.letter.at.date())
        return row.place

    async def attempt(
        self, mails: Sequence[Envelope], expired: Deadline
    ) -> tuple[list[Outcome], bool]:
        """What one connection makes of *mails*, and whether the unsent ones may go on at once."""
        try:
            await self.connect()
        except ChannelError as trouble:
            log.warning("relay_unreachable", reason=trouble.reason)
            unsent = Outcome(Verdict.UNSENT, trouble.reason, trouble.retry_after_s, trouble=True)
            return [unsent] * len(mails), False
        said = await self.connection.send_window(mails, expired)
        replies = self.connection.without_dsn(said)
        settled = any(reply.settled for reply in replies)
        doubtful = any(reply.fate is Fate.DOUBT for reply in replies)
        again = self.connection.hung_up and not doubtful and (settled or not self.new)
        again = again or replies != said
        self.new = self.new and not settled
        broken = self.connection.closed and not settled and not self.connection.left
        trouble_s = TROUBLE_S if broken else None
        return [verdicts.judge(reply, trouble_s) for reply in replies], again

    async def connect(self) -> None:
        """Replace a connection that has ended. Raises ChannelError."""
        if not self.connection.closed:
            return
        try:
            async with asyncio.timeout(None) as self.opening:
                self.connection, self.new = await self.pool.take()
        except TimeoutError:
            raise Unreachable(LET_GO, retry_after_s=LET_GO_S) from None
        finally:
            self.opening = None

    def let_go(self) -> None:
        """The mail on its way is in doubt when its end has left; the others stay unsent."""
        self.connection.let_go()
        if self.opening:
            self.opening.reschedule(0.0)

    async def resolve(self, _rendered: Mail, rows: Sequence[Recipient]) -> list[Outcome]:
        """What its log says that the relay has; the others are sent again, same Message-ID."""
        if self.relay_log is None:
            return [RESEND] * len(rows)
        domain = self.house.settings.domain
        ids = [keys.message_id(row.delivery_key, domain) for row in rows]
        taken = await self.relay_log.taken(ids)
        return [TAKEN if one in taken else RESEND for one in ids]

    async def probe(self, canary: Canary) -> Outcome:
        """A mail to the operator's own mailbox; without one, the relay has to answer."""
        if not canary.target:
            return await self.answer()
        try:
            mails = [canaries.envelope(canary, self.house)]
        except Unsafe as unsafe:
            return Outcome(Verdict.FAILED, f"unsafe {unsafe}")
        again = True
        while again:
            [outcome], again = await self.attempt(mails, never)
            again = again and outcome.verdict is Verdict.UNSENT
        return outcome

    async def answer(self) -> Outcome:
        """An idle connection that has ended meanwhile is replaced, as for any batch."""
        for _ in range(2):
            try:
                await self.connect()
            except ChannelError as trouble:
                return Outcome(Verdict.HELD, trouble.reason)
            if await self.connection.alive():
                return Outcome(Verdict.DELIVERED)
        return Outcome(Verdict.HELD, "no answer to NOOP")


def never() -> bool:
    return False
