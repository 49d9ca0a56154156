"""A publication rendered once; each recipient's mail is then joined from bytes."""

import html
import re

from channels.base import Recipient
from channels.email import header_injection
from channels.email.errors import UnsafeHeader
from channels.email.render import headers
from channels.email.render.build import MailContext, compile_publication, has_earlier_mail
from channels.email.render.compiled import CompiledMail, Placeholder, encode_value
from channels.email.render.message import greeting
from channels.email.smtp.window import Envelope
from contracts import keys
from contracts.bulletins.composition import body_of
from contracts.delivery import ChannelName, PlanKey
from contracts.publication import Publication

_EARLIER_MAX = 10
_COMPILED_MAX = 64
"""Kinds of a mail that are kept: readers of a bulletin have had different items."""
_TOKEN = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,299}")
_LINE_MAX = 76
_KEY = re.compile(r"[a-z0-9]{32,64}")


class RenderedPublication:
    """One publication, compiled at first use per kind of recipient.

    In an issue of a bulletin an item that the recipient has had alone is a line.
    """

    def __init__(self, publication: Publication, context: MailContext) -> None:
        self.publication = publication
        self.context = context
        self.compiled_mails: dict[tuple[bool, str, int], CompiledMail] = {}
        item, now = publication.content_id, publication.revision
        revisions = range(max(1, now - _EARLIER_MAX), now)
        self.earlier_plans = [PlanKey(ChannelName.EMAIL, item, revision) for revision in revisions]

    def envelope(self, row: Recipient) -> Envelope:
        """Mail of one recipient. Raises UnsafeHeader before anything is sent."""
        address = header_injection.check_recipient(row.address)
        values = recipient_values(row, self.context)
        if has_earlier_mail(self.publication, row.correction):
            values |= self.reply_values(row)
        mail = self.compiled_mail(row.correction, _last_digest(row), row.picks)
        return Envelope(address, mail.fill(values))

    def compiled_mail(
        self, correction: bool, digest_id: str = "", already_read: int = 0
    ) -> CompiledMail:
        """Compiled mail; *digest_id*: the digest that carried the earlier text, if any.

        *already_read*: the items of an issue that are a line, as a bit mask.
        """
        key = correction, digest_id, already_read
        if key not in self.compiled_mails:
            if len(self.compiled_mails) >= _COMPILED_MAX:
                self.compiled_mails.clear()
            text = self.text_for(already_read)
            mail = compile_publication(text, correction, self.context, digest_id)
            self.compiled_mails[key] = mail
        return self.compiled_mails[key]

    def text_for(self, already_read: int) -> Publication:
        issue = self.publication.bulletin
        if not (issue and already_read):
            return self.publication
        entries = enumerate(issue.entries)
        names = frozenset(one.content_id for n, one in entries if already_read >> n & 1)
        return self.publication.model_copy(update={"body": body_of(issue, names)})

    def reply_values(self, row: Recipient) -> dict[Placeholder, bytes]:
        """Message-IDs of the recipient's earlier mails of the item."""
        deliveries = [
            keys.delivery_key(mail.content_id, mail.revision, ChannelName.EMAIL, row.id)
            for mail in row.earlier_mails[-_EARLIER_MAX:] or self.earlier_plans
        ]
        domain = self.context.settings.domain
        ids = [keys.message_id(delivery, domain).encode() for delivery in deliveries]
        return {Placeholder.REFERENCES: b"\r\n ".join(ids), Placeholder.IN_REPLY_TO: ids[-1]}


def _last_digest(row: Recipient) -> str:
    """Digest that carried the recipient's earlier text; empty if a mail of its own did."""
    name = row.earlier_mails[-1].content_id if row.earlier_mails else ""
    return name if keys.is_digest(name) else ""


def recipient_values(row: Recipient, context: MailContext) -> dict[Placeholder, bytes]:
    """Values of one recipient in every mail."""
    token = _check_pattern("token", _TOKEN, context.signer.token(row.id)).encode()
    key, line = check_delivery_key(row.delivery_key), greeting(row.name)
    line_in_html, greeted = html.escape(line), encode_value(line.encode())
    is_plain = line_in_html == line
    return {
        Placeholder.TO: headers.encode_mailbox("To", row.name, row.address).encode(),
        Placeholder.MESSAGE_ID: keys.message_id(key, context.settings.domain).encode(),
        Placeholder.UNSUBSCRIBE_TOKEN: token,
        Placeholder.UNSUBSCRIBE_TOKEN_BODY: _fold_token(token),
        Placeholder.NAME_TEXT: greeted,
        Placeholder.NAME_HTML: greeted if is_plain else encode_value(line_in_html.encode()),
    }


def _fold_token(token: bytes) -> bytes:
    """A token in a body: nothing in it is encoded, and only a long one is folded."""
    return token if len(token) < _LINE_MAX else encode_value(token)


def check_delivery_key(delivery_key: str) -> str:
    return _check_pattern("delivery key", _KEY, delivery_key)


def _check_pattern(field: str, pattern: re.Pattern[str], text: str) -> str:
    if not pattern.fullmatch(text):
        raise UnsafeHeader(field)
    return text
