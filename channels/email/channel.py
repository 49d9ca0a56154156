"""E-mail channel: renders content once, sends windows of mails over pooled connections."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from weakref import WeakKeyDictionary

import structlog

from channels.base import Canary, Content, Deadline, Outcome, Recipient, Verdict
from channels.email.dkim_signer import open_signer
from channels.email.errors import UnsafeHeader
from channels.email.render import canary as canaries
from channels.email.render.build import MailContext
from channels.email.render.digest import RenderedDigest
from channels.email.render.personal import RenderedCaseNotice, RenderedTransactionalMail
from channels.email.render.publication import RenderedPublication
from channels.email.return_path import ReturnPaths
from channels.email.settings import EmailSettings
from channels.email.smtp import outcomes as smtp_outcomes
from channels.email.smtp.connection import REQUEST_TIMEOUT_S, SmtpConnection
from channels.email.smtp.mail_result import (
    ACCEPTED,
    NOT_YET,
    STOPPED,
    MailResult,
    MailStatus,
    Stage,
)
from channels.email.smtp.pool import TROUBLE_LIMIT, ConnectionPool
from channels.email.smtp.relay_log import RelayLog
from channels.email.smtp.window import Envelope
from channels.email.unsubscribe import HmacSigner
from channels.errors import Busy, ChannelError, Unreachable
from contracts import keys
from contracts.case import CaseNotice
from contracts.delivery import ChannelName
from contracts.subscriptions.digest import Digest
from contracts.subscriptions.transactional import NOTIFICATION_KINDS, TransactionalMail
from contracts.vocabulary import DEFAULT, Vocabulary

log = structlog.get_logger()
RenderedMail = RenderedPublication | RenderedCaseNotice | RenderedTransactionalMail | RenderedDigest
BROKEN_RETRY_S = 30.0
"""The pause after a connection on which nothing could be sent."""
_ABORTED_RETRY_S = 1.0
_REMEMBERED_WINDOWS = 4
_RESEND = Outcome(Verdict.RESEND, "same Message-ID")
_IN_RELAY_LOG = Outcome(Verdict.DELIVERED, "the relay's log")


class EmailChannel:
    """Hands one mail per row to the relay, at least once: a row in doubt is sent again.

    Raises Invalid for a file of relays or a DKIM key that can't be used.
    With *return_paths* each mail has a return path that names its ledger row.
    """

    name = ChannelName.EMAIL
    window = 25
    request_timeout_s = REQUEST_TIMEOUT_S
    settle_s = REQUEST_TIMEOUT_S + 30.0

    def __init__(
        self,
        settings: EmailSettings,
        public_url: str,
        signer: HmacSigner,
        vocabulary: Vocabulary = DEFAULT,
        return_paths: ReturnPaths | None = None,
    ) -> None:
        self.return_paths = return_paths
        self.context = MailContext(settings, public_url.rstrip("/"), signer, vocabulary)
        self.dkim = open_signer(settings)
        self.pool = ConnectionPool(settings, self.request_timeout_s)
        self.connections = self.pool.connections
        self.relay_log = RelayLog(settings.relay_log) if settings.relay_log else None
        self.answers: WeakKeyDictionary[RenderedMail, deque[int]] = WeakKeyDictionary()

    def render(self, content: Content) -> RenderedMail:
        """Render a publication, notice, transactional mail or digest, ready to be addressed."""
        if isinstance(content, CaseNotice):
            return RenderedCaseNotice(content, self.context)
        if isinstance(content, TransactionalMail):
            return RenderedTransactionalMail(content, self.context)
        if isinstance(content, Digest):
            return RenderedDigest(content, self.context)
        return RenderedPublication(content, self.context)

    def sign(self, mail: Envelope) -> Envelope:
        """*mail* with our DKIM signature, if we have a key."""
        return mail._replace(body=self.dkim.sign(mail.body)) if self.dkim else mail

    def judge(self, rendered: RenderedMail, window: Sequence[Outcome]) -> list[Outcome]:
        """A window's outcomes, with the refusals of whole mails judged by what others got."""
        if isinstance(rendered, RenderedCaseNotice | RenderedTransactionalMail):
            return list(map(smtp_outcomes.reject_message, window))
        answers = self.answers.setdefault(rendered, deque(maxlen=_REMEMBERED_WINDOWS))
        refused = sum(outcome.message_refused for outcome in window)
        accepted = sum(outcome.verdict is Verdict.DELIVERED for outcome in window)
        usually = sum(answers) > 0
        answers.append(accepted - refused)
        return smtp_outcomes.judge_messages(window, usually) if refused else list(window)

    @asynccontextmanager
    async def session(self) -> AsyncIterator["EmailSession"]:
        """Connection for one batch. Raises Unreachable or Misconfigured."""
        connection, new = await self.pool.acquire()
        session = EmailSession(self, connection, new)
        try:
            yield session
        finally:
            self.pool.release(session.connection)

    async def close(self) -> None:
        self.pool.close()


class EmailSession:
    """Sends over one connection at a time; opens another if the relay ended the first."""

    def __init__(self, channel: EmailChannel, connection: SmtpConnection, is_fresh: bool) -> None:
        self.channel = channel
        self.connection = connection
        self.is_fresh = is_fresh  # no mail has been settled on it yet
        self.open_timeout: asyncio.Timeout | None = None

    async def send(
        self, rendered: RenderedMail, rows: Sequence[Recipient], expired: Deadline
    ) -> list[Outcome]:
        """Send one mail per row; a row with unsafe values fails, the others are sent."""
        outcomes: dict[int, Outcome] = {}
        mails: dict[int, Envelope] = {}
        mail = rendered.mail if isinstance(rendered, RenderedTransactionalMail) else None
        was_requested = mail is not None and mail.kind not in NOTIFICATION_KINDS
        for number, row in enumerate(rows):
            try:
                mails[number] = self.envelope(rendered, row)
            except UnsafeHeader as unsafe:
                reason = f"unsafe {unsafe}"
                outcomes[number] = Outcome(Verdict.FAILED, reason, reached_provider=False)
        again = bool(mails)
        while again:
            window, again = await self.send_once(list(mails.values()), expired)
            outcomes |= dict(zip(mails, window, strict=True))
            mails = {n: m for n, m in mails.items() if outcomes[n].verdict is Verdict.UNSENT}
            again = again and bool(mails)
        judged = self.channel.judge(rendered, [outcomes[number] for number in range(len(rows))])
        return list(map(smtp_outcomes.failed_if_rejected, judged)) if was_requested else judged

    def envelope(self, rendered: RenderedMail, row: Recipient) -> Envelope:
        """Mail of one recipient, signed, with its row's return path. Raises UnsafeHeader."""
        mail, paths, row_ref = rendered.envelope(row), self.channel.return_paths, row.row_ref
        mail = self.channel.sign(mail)
        if paths is None:
            return mail
        if isinstance(rendered, RenderedTransactionalMail):
            row_ref = paths.transactional_ref(row.address, rendered.mail.at.date())
        return Envelope(*mail[:2], *paths.return_path(row_ref)) if row_ref else mail

    async def send_once(
        self, mails: Sequence[Envelope], expired: Deadline
    ) -> tuple[list[Outcome], bool]:
        """Send *mails* on one connection; also say whether unsent ones may go on at once."""
        try:
            await self.take_turn(mails)
        except Busy as busy:
            return [Outcome(Verdict.UNSENT, busy.reason, busy.retry_after_s)] * len(mails), False
        except ChannelError as error:
            log.warning("relay_unreachable", reason=error.reason)
            unsent = Outcome(Verdict.UNSENT, error.reason, error.retry_after_s, channel_wide=True)
            return [unsent] * len(mails), False
        connection = self.connection
        admitted = self.channel.pool.admitted(connection, len(mails))[: connection.room]
        sent = await connection.send_window([mails[number] for number in admitted], expired)
        if len(sent) == len(mails) and all(result is ACCEPTED for result in sent):
            return self.note_all_accepted(len(sent)), False
        counted = connection.count_carried(connection.disable_refused_parameters(sent))
        results = [NOT_YET] * len(mails)
        for number, result in zip(admitted, counted, strict=True):
            results[number] = result
        return self.follow_up(sent, results)

    def follow_up(
        self, sent: Sequence[MailResult], results: Sequence[MailResult]
    ) -> tuple[list[Outcome], bool]:
        """The outcomes of *results*, and whether the unsent mails may be tried again at once.

        *sent*: those of the mails that were tried, as the connection had them.
        """
        connection = self.connection
        settled = any(result.is_settled for result in results)
        doubtful = any(result.status is MailStatus.DOUBT for result in results)
        again = connection.closed_by_relay and not doubtful and (settled or not self.is_fresh)
        is_cut_off = any(result.status in (MailStatus.UNSENT, MailStatus.DOUBT) for result in sent)
        again = again or (results != sent and not is_cut_off)
        self.is_fresh = self.is_fresh and not settled
        broken = connection.is_broken and not settled and not connection.ended_by_us
        trouble_s = BROKEN_RETRY_S if broken else None
        if (trouble := self.relay_trouble(results)) and not again:
            results, again = self.use_other_relay(results, trouble)
        return [smtp_outcomes.outcome_of(result, trouble_s) for result in results], again

    def note_all_accepted(self, mails: int) -> list[Outcome]:
        """The outcomes of a window of which the relay has taken everything."""
        self.connection.add_carried(mails)
        self.is_fresh = self.is_fresh and not mails
        if mails:
            self.channel.pool.note_answers(self.connection, accepted=mails, put_off=0)
        return [smtp_outcomes.DELIVERED] * mails

    def relay_trouble(self, results: Sequence[MailResult]) -> str:
        """Why the relay, and no reader, is to blame for a window; empty if it is not."""
        pool, connection = self.channel.pool, self.connection
        put_off = [result for result in results if smtp_outcomes.is_relays_delay(result)]
        accepted = sum(result.status is MailStatus.ACCEPTED for result in results)
        relay = pool.note_answers(connection, accepted=accepted, put_off=len(put_off))
        if connection.is_broken and not (accepted and connection.closed_by_relay):
            return connection.protocol.closed_reason
        if put_off and not accepted:
            is_sure = relay.put_off >= TROUBLE_LIMIT or put_off[0].stage is Stage.MAIL
            return put_off[0].reason if is_sure or relay.settings.is_standby else ""
        return ""

    def use_other_relay(
        self, results: Sequence[MailResult], trouble: str
    ) -> tuple[list[MailResult], bool]:
        """Turn to another relay with what has surely not left; whether there is any."""
        if not self.channel.pool.leave(self.connection, Unreachable(trouble)):
            return list(results), False
        unsent = MailResult(MailStatus.UNSENT, cause=trouble)
        put_off = smtp_outcomes.is_relays_delay
        results = [unsent if put_off(result) else result for result in results]
        return results, any(result.status is MailStatus.UNSENT for result in results)

    async def take_turn(self, mails: Sequence[Envelope] = ()) -> None:
        """Be connected to the relay whose turn it is with *mails*. Raises ChannelError."""
        pool = self.channel.pool
        if not (self.connection.is_closed or pool.chooses):
            return
        pool.release(self.connection)
        try:
            async with asyncio.timeout(None) as self.open_timeout:
                self.connection, self.is_fresh = await pool.acquire(mails)
        except TimeoutError:
            raise Unreachable(STOPPED, retry_after_s=_ABORTED_RETRY_S) from None
        finally:
            self.open_timeout = None

    def abort(self) -> None:
        """Stop at once: a mail whose end has left is in doubt, later ones stay unsent."""
        self.connection.abort()
        if self.open_timeout:
            self.open_timeout.reschedule(0.0)

    async def resolve(self, _rendered: RenderedMail, rows: Sequence[Recipient]) -> list[Outcome]:
        """Look doubtful rows up in the relay's log; others are sent again, same Message-ID."""
        relay_log, domain = self.channel.relay_log, self.channel.context.settings.domain
        ids = [keys.message_id(row.delivery_key, domain) for row in rows]
        accepted = await relay_log.accepted_ids(ids) if relay_log else frozenset()
        return [_IN_RELAY_LOG if id in accepted else _RESEND for id in ids]

    async def probe(self, canary: Canary) -> Outcome:
        """Send a mail to the operator's own mailbox; without one, ask the relay for an answer."""
        if not canary.target:
            return await self.probe_relay()
        try:
            mails = [self.channel.sign(canaries.canary_envelope(canary, self.channel.context))]
        except UnsafeHeader as unsafe:
            return Outcome(Verdict.FAILED, f"unsafe {unsafe}")
        again = True
        while again:
            [outcome], again = await self.send_once(mails, lambda: False)
            again = again and outcome.verdict is Verdict.UNSENT
        return outcome

    async def probe_relay(self) -> Outcome:
        """Ask the relay for an answer; an idle connection that ended is replaced once."""
        for _ in range(2):
            try:
                await self.take_turn()
            except ChannelError as trouble:
                return Outcome(Verdict.HELD, trouble.reason)
            if await self.connection.is_alive():
                return Outcome(Verdict.DELIVERED)
        return Outcome(Verdict.HELD, "no answer to NOOP")
