"""Mail to one person: transactional, of no list, rendered when sent."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from datetime import datetime
from email.utils import format_datetime
from typing import ClassVar

from markupsafe import Markup

from channels.base import Recipient
from channels.email import header_injection
from channels.email.render import build, headers
from channels.email.render.build import MailContext
from channels.email.render.compiled import CompiledMail, Placeholder, Placeholders
from channels.email.render.headers import EncodedHeader
from channels.email.render.message import MailContent
from channels.email.render.parts import render_part
from channels.email.render.publication import check_delivery_key
from channels.email.smtp.window import Envelope
from contracts import keys
from contracts.base.times import VIETNAM


class PersonalMail(ABC):
    """One mail; the address and the Message-ID come with the row."""

    template_name: ClassVar[str]
    """Of the two templates, text and HTML."""

    def __init__(self, context: MailContext) -> None:
        self.context = context

    @abstractmethod
    def content(self) -> MailContent:
        """Content of the mail."""

    @property
    @abstractmethod
    def date(self) -> datetime:
        """Value of the Date header, the same at every try."""

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
        content, placeholders = (
            self.content(),
            Placeholders(keys.digest(self.template_name, seed)[:24]),
        )
        mail = headers.new_message()
        for name, value in self.header_fields(content, placeholders).items():
            mail[name] = value
        build.make_alternative(mail, keys.digest("boundary", seed)[:24])
        for kind in ("txt", "html"):
            mail.attach(
                render_part(
                    f"{self.template_name}.{kind}",
                    content,
                    placeholders,
                    **self.template_values(),
                    **self.context.template_values,
                )
            )
        return CompiledMail(mail.as_bytes(), placeholders)

    def header_fields(
        self, content: MailContent, placeholders: Placeholders
    ) -> Mapping[str, EncodedHeader]:
        settings, sender = self.context.settings, build.sender_name(content, self.context)
        fields = {
            "From": headers.encode_mailbox("From", sender, settings.sender),
            "To": EncodedHeader(placeholders.marker(Placeholder.TO)),
            "Reply-To": build.reply_to(settings),
            "Subject": headers.encode_text("Subject", content.subject),
            "Date": EncodedHeader(format_datetime(self.date.astimezone(VIETNAM))),
            "Message-ID": EncodedHeader(placeholders.marker(Placeholder.MESSAGE_ID)),
            "Auto-Submitted": EncodedHeader("auto-generated"),
            "X-Auto-Response-Suppress": EncodedHeader("All"),
            "Content-Language": EncodedHeader(content.language),
        }
        return {name: value for name, value in fields.items() if value}


def paragraph_content(
    subject: str, title: str, paragraphs: Sequence[str], *, unit: str = "", url: str = ""
) -> MailContent:
    """Content of plain paragraphs."""
    return MailContent(
        language="vi",
        subject=subject,
        sender_unit=unit,
        topic="",
        title=title,
        intro="",
        reason="",
        summary="",
        html=Markup("\n").join(Markup("<p>{}</p>").format(text) for text in paragraphs),
        plain="\n\n".join(paragraphs),
        lists=(),
        facts=(),
        url=url,
    )
