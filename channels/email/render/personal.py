"""Mail to one person: transactional, of no list, rendered when sent."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import ClassVar

from markupsafe import Markup

from channels.base import Recipient
from channels.email import header_injection
from channels.email.render import build, headers
from channels.email.render.build import MailContext
from channels.email.render.compiled import CompiledMail, Placeholder, Placeholders
from channels.email.render.message import MailContent
from channels.email.render.parts import render_part
from channels.email.render.publication import check_delivery_key
from channels.email.smtp.window import Envelope
from contracts import keys


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
