"""Mail to one person, of no list and rendered when sent: case notices, transactional mail."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import ClassVar

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
from contracts.base.times import format_moment_in_sentence
from contracts.case import AcceptedNotice, CaseNotice
from contracts.catalog import load_texts
from contracts.subscriptions.transactional import TransactionalMail


class PersonalMail(ABC):
    """One mail; the address and the Message-ID come with the row."""

    template_name: ClassVar[str]
    """Of the two templates, text and HTML."""

    def __init__(self, context: MailContext) -> None:
        self.context = context

    @abstractmethod
    def content(self) -> MailContent:
        """Content of the mail, with the same date at every try."""

    def template_values(self) -> Mapping[str, object]:
        """Further values of the templates."""
        return {}

    def envelope(self, row: Recipient) -> Envelope:
        """The mail. Raises UnsafeHeader before anything is sent."""
        address = header_injection.check_recipient(row.address)
        message_id = keys.message_id(
            check_delivery_key(row.delivery_key), self.context.settings.domain
        )
        values = {
            Placeholder.TO: headers.encode_mailbox("To", "", row.address).encode(),
            Placeholder.MESSAGE_ID: message_id.encode(),
        }
        return Envelope(address, self.compiled_mail(row.delivery_key).fill(values))

    def compiled_mail(self, seed: str) -> CompiledMail:
        """Compile the mail; *seed* must be unknown to the authors of its texts."""
        content = self.content()
        placeholders = Placeholders(keys.digest(self.template_name, seed)[:24])
        fields = build.header_fields(content, self.context, placeholders)
        mail = build.new_alternative(fields, keys.digest("boundary", seed)[:24])
        values = {**self.template_values(), **self.context.template_values}
        for kind in ("txt", "html"):
            template = f"{self.template_name}.{kind}"
            mail.attach(render_part(template, content, placeholders, **values))
        return CompiledMail(mail.as_bytes(), placeholders)


def paragraphs_html(paragraphs: Sequence[str]) -> Markup:
    return Markup("\n").join(Markup("<p>{}</p>").format(text) for text in paragraphs)


class RenderedCaseNotice(PersonalMail):
    """Mail of one notice."""

    template_name = "notice"

    def __init__(self, notice: CaseNotice, context: MailContext) -> None:
        super().__init__(context)
        self.notice = notice

    def content(self) -> MailContent:
        """Content in the catalogue's words; the greeting is the first paragraph."""
        notice, subject = self.notice, case_notice_texts.subject(self.notice)
        paragraphs = case_notice_texts.paragraphs(notice)
        is_agency = notice.authority.casefold() == self.context.agency.casefold()
        return MailContent(
            subject=subject,
            title=subject,
            date=notice_date(notice),
            url=notice.detail_url or "",
            sender_unit="" if is_agency else notice.authority,
            html=paragraphs_html(paragraphs),
            plain="\n\n".join(paragraphs),
        )


def notice_date(notice: CaseNotice) -> datetime:
    """Time of acceptance: the same at every retry, never far in the past or the future."""
    return notice.accepted_at if isinstance(notice, AcceptedNotice) else notice.occurred_at


class RenderedTransactionalMail(PersonalMail):
    """One mail in the catalogue's words."""

    template_name = "letter"

    def __init__(self, mail: TransactionalMail, context: MailContext) -> None:
        super().__init__(context)
        self.mail = mail
        self.texts = load_texts(TEMPLATES / "letter.toml")["kind"][mail.kind]

    def template_values(self) -> Mapping[str, object]:
        return {name: self.texts[name] for name in ("button", "closing")}

    def content(self) -> MailContent:
        mail, context = self.mail, self.context
        known = {
            "agency": context.agency,
            "other": mail.other,
            "until": format_moment_in_sentence(mail.expires_at),
            "asked": format_moment_in_sentence(mail.at),
        }
        paragraphs = [text.format_map(known) for text in self.texts["paragraphs"]]
        return MailContent(
            subject=self.texts["subject"].format_map(known),
            title=self.texts["title"].format_map(known),
            date=mail.at,
            url=f"{context.public_url}{mail.path}" if mail.path else "",
            html=paragraphs_html(paragraphs),
            plain="\n\n".join(paragraphs),
        )
