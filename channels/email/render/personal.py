"""Mail to one person, of no list and rendered when sent: case notices, transactional mail."""

from collections.abc import Sequence
from datetime import datetime

from markupsafe import Markup

from channels import case_notice_texts
from channels.base import Recipient
from channels.email import header_injection
from channels.email.render import build, headers
from channels.email.render.build import MailContext
from channels.email.render.compiled import CompiledMail, Placeholder, Placeholders
from channels.email.render.message import TEMPLATES, MailContent
from channels.email.render.parts import render_part
from channels.email.render.publication import check_delivery_key
from channels.email.smtp.window import Envelope
from contracts import keys
from contracts.case import AcceptedNotice, CaseNotice
from contracts.catalog import load_texts
from contracts.subscriptions.transactional import TransactionalMail
from contracts.text.moments import format_moment_in_sentence

_TRANSACTIONAL_TEXTS = TEMPLATES / "transactional.toml"


class PersonalMail:
    """One mail; the address and the Message-ID come with the row.

    *name* is that of the two templates, text and HTML; *content* has the same date at every try.
    """

    def __init__(
        self, context: MailContext, name: str, content: MailContent, **values: object
    ) -> None:
        self.context = context
        self.name = name
        self.content = content
        self.template_values = {**values, **context.template_values}

    def envelope(self, row: Recipient) -> Envelope:
        """The mail. Raises UnsafeHeader before anything is sent."""
        address = header_injection.check_recipient(row.address)
        key, domain = check_delivery_key(row.delivery_key), self.context.settings.domain
        values = {
            Placeholder.TO: headers.encode_mailbox("To", "", row.address).encode(),
            Placeholder.MESSAGE_ID: keys.message_id(key, domain).encode(),
        }
        return Envelope(address, self.compiled_mail(row.delivery_key).fill(values))

    def compiled_mail(self, seed: str) -> CompiledMail:
        """Compile the mail; *seed* must be unknown to the authors of its texts."""
        placeholders = Placeholders(keys.digest(self.name, seed)[:24])
        fields = build.header_fields(self.content, self.context, placeholders)
        mail = build.new_alternative(fields, keys.digest("boundary", seed)[:24])
        for template in (f"{self.name}.txt", f"{self.name}.html"):
            part = render_part(template, self.content, placeholders, **self.template_values)
            mail.attach(part)
        return CompiledMail(mail.as_bytes(), placeholders)


def _paragraphs_html(paragraphs: Sequence[str]) -> Markup:
    return Markup("\n").join(Markup("<p>{}</p>").format(text) for text in paragraphs)


class RenderedCaseNotice(PersonalMail):
    """Mail of one notice."""

    def __init__(self, notice: CaseNotice, context: MailContext) -> None:
        super().__init__(context, "notice", _notice_content(notice, context.agency))


def _notice_content(notice: CaseNotice, agency: str) -> MailContent:
    """Content in the catalogue's words; the greeting is the first paragraph."""
    subject, paragraphs = case_notice_texts.subject(notice), case_notice_texts.paragraphs(notice)
    is_agency = notice.authority.casefold() == agency.casefold()
    return MailContent(
        subject=subject,
        title=subject,
        date=notice_date(notice),
        url=notice.detail_url or "",
        sender_unit="" if is_agency else notice.authority,
        html=_paragraphs_html(paragraphs),
        plain="\n\n".join(paragraphs),
    )


def notice_date(notice: CaseNotice) -> datetime:
    """Time of acceptance: the same at every retry, never far in the past or the future."""
    return notice.accepted_at if isinstance(notice, AcceptedNotice) else notice.occurred_at


class RenderedTransactionalMail(PersonalMail):
    """One mail in the catalogue's words."""

    def __init__(self, mail: TransactionalMail, context: MailContext) -> None:
        self.mail = mail
        texts = load_texts(_TRANSACTIONAL_TEXTS)["kind"][mail.kind]
        values = {name: texts[name] for name in ("button", "closing")}
        super().__init__(context, "transactional", _transactional_content(mail, context), **values)


def _transactional_content(mail: TransactionalMail, context: MailContext) -> MailContent:
    texts = load_texts(_TRANSACTIONAL_TEXTS)["kind"][mail.kind]
    values = {
        "agency": context.agency,
        "other": mail.other,
        "text": mail.text,
        "until": format_moment_in_sentence(mail.expires_at),
        "asked": format_moment_in_sentence(mail.at),
    }
    paragraphs = [text.format_map(values) for text in texts["paragraphs"]]
    return MailContent(
        subject=texts["subject"].format_map(values),
        title=texts["title"].format_map(values),
        date=mail.at,
        url=f"{context.public_url}{mail.path}" if mail.path else "",
        html=_paragraphs_html(paragraphs),
        plain="\n\n".join(paragraphs),
    )
