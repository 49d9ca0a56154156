"""Compile a publication's mail once, with placeholders where recipients differ."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from email.message import EmailMessage
from email.utils import format_datetime
from urllib.parse import quote

from channels.email.render import headers
from channels.email.render.compiled import CompiledMail, Placeholder, Placeholders
from channels.email.render.headers import EncodedHeader
from channels.email.render.message import MailContent, change_kind, compose, digest_name, texts
from channels.email.render.parts import render_part
from channels.email.settings import EmailSettings
from channels.email.unsubscribe import HmacSigner
from contracts import keys
from contracts.publication import Publication, encode
from contracts.text.moments import VIETNAM
from contracts.vocabulary import Vocabulary

_FEEDBACK_SENDER = "loa"
_NAME_PLACEHOLDERS = {"mail.txt": Placeholder.NAME_TEXT, "mail.html": Placeholder.NAME_HTML}


@dataclass(frozen=True, slots=True)
class MailContext:
    """Shared by all mails: sender, web address, vocabulary, signer."""

    settings: EmailSettings
    public_url: str
    signer: HmacSigner
    vocabulary: Vocabulary

    @property
    def unsubscribe_url(self) -> str:
        return f"{self.public_url}/huy/"

    @property
    def subscription_url(self) -> str:
        """Page about the subscription."""
        return f"{self.public_url}/dang-ky"

    @property
    def manage_url(self) -> str:
        """Page where subscribers ask for a link to their own subscription."""
        return f"{self.subscription_url}/quan-ly"

    @property
    def agency(self) -> str:
        return agency_name(self.settings)

    @property
    def template_values(self) -> Mapping[str, object]:
        """Values that every template gets."""
        postal, reply_to = self.settings.postal_address, self.settings.reply_to
        return {
            "agency": self.agency,
            "site": self.public_url,
            "contacts": self.contacts,
            "postal": postal,
            "answerable": bool(reply_to),
        }

    @property
    def contacts(self) -> str:
        """Ways to ask besides an answer; empty if none is set."""
        words, settings = texts()["words"], self.settings
        ways = (("phone", settings.site_phone), ("email", settings.site_email))
        return ", ".join(words[way].format(value=value) for way, value in ways if value)


def agency_name(settings: EmailSettings) -> str:
    """The name under which our mail is sent."""
    return settings.sender_name or str(texts()["agency"])


def has_earlier_mail(publication: Publication, correction: bool) -> bool:
    """Whether the recipient has an earlier mail of this item."""
    return correction and publication.revision > 1


def compile_publication(
    publication: Publication, correction: bool, context: MailContext, digest_id: str = ""
) -> CompiledMail:
    """Compile the mail for new recipients, or for those of an earlier mail.

    *digest_id*: the digest that carried the earlier text. Raises UnsafeHeader.
    """
    change = change_kind(publication, correction)
    content = compose(publication, change, context.vocabulary, context.public_url)
    if digest_id:
        values = {"agency": texts()["agency"], "digest": digest_name(digest_id)}
        content = replace(content, intro=texts()["digest_looks"][change].format_map(values))
    # An author can't write this seed into a text: it is a digest of the text itself.
    placeholders = Placeholders(keys.digest(encode(publication).decode(), content.subject)[:24])
    fields = header_fields(content, context, placeholders)
    if has_earlier_mail(publication, correction):
        fields["In-Reply-To"] = EncodedHeader(placeholders.marker(Placeholder.IN_REPLY_TO))
        fields["References"] = EncodedHeader(placeholders.marker(Placeholder.REFERENCES))
    mail = new_alternative(fields, keys.digest(publication.key)[:24])
    values = list_template_values(context, placeholders)
    for template, name in _NAME_PLACEHOLDERS.items():
        values["greeting"] = placeholders.marker(name)
        mail.attach(render_part(template, content, placeholders, **values))
    return CompiledMail(mail.as_bytes(), placeholders)


def list_template_values(context: MailContext, placeholders: Placeholders) -> dict[str, object]:
    """Values of the templates of a list's mail, beside its content."""
    return {
        "token": placeholders.marker(Placeholder.UNSUBSCRIBE_TOKEN_BODY),
        "unsubscribe": context.unsubscribe_url,
        "manage": context.manage_url,
        **context.template_values,
    }


def new_alternative(fields: Mapping[str, EncodedHeader], seed: str) -> EmailMessage:
    """A multipart/alternative, to which the parts are attached.

    Quoted-printable never holds "=_", so no text can contain the boundary.
    """
    kind = EncodedHeader(f'multipart/alternative; boundary="=_loa_{seed}"')
    mime = {"MIME-Version": EncodedHeader("1.0"), "Content-Type": kind}
    return headers.new_message({**fields, **mime})


def header_fields(
    content: MailContent, context: MailContext, placeholders: Placeholders
) -> dict[str, EncodedHeader]:
    """Header fields of all our mails, in the usual order."""
    settings = context.settings
    unit = f" - {content.sender_unit}" if content.sender_unit else ""
    sender = content.sender or f"{context.agency}{unit}"
    name, address = settings.reply_mailbox
    return {
        "From": headers.encode_mailbox("From", sender, settings.sender),
        "To": EncodedHeader(placeholders.marker(Placeholder.TO)),
        "Reply-To": EncodedHeader(address and headers.encode_mailbox("Reply-To", name, address)),
        "Subject": headers.encode_text("Subject", content.subject),
        "Date": EncodedHeader(format_datetime(content.date.astimezone(VIETNAM))),
        "Message-ID": EncodedHeader(placeholders.marker(Placeholder.MESSAGE_ID)),
        **(_list_fields(content, context, placeholders) if content.list_name else {}),
        "Auto-Submitted": EncodedHeader("auto-generated"),
        "X-Auto-Response-Suppress": EncodedHeader("All"),
        "X-Loa-Trial": EncodedHeader("1" if content.is_trial else ""),
        "Content-Language": EncodedHeader(content.language),
    }


def _list_fields(
    content: MailContent, context: MailContext, placeholders: Placeholders
) -> Mapping[str, EncodedHeader]:
    """Header fields of a list's mail: its list, and the ways to leave it."""
    settings, token = context.settings, placeholders.marker(Placeholder.UNSUBSCRIBE_TOKEN)
    ways = [f"<{context.unsubscribe_url}{token}>"]
    if settings.unsubscribe_to:
        ways.append(f"<mailto:{quote(settings.unsubscribe_to, safe='@')}?subject={token}>")
    list_id = f"{content.list_name}.{settings.domain}"
    return {
        "List-Id": headers.encode_mailbox("List-Id", content.topic, list_id),
        "List-Help": EncodedHeader(f"<{context.subscription_url}>"),
        "List-Unsubscribe": EncodedHeader(",\r\n ".join(ways)),
        "List-Unsubscribe-Post": EncodedHeader("List-Unsubscribe=One-Click"),
        "Feedback-ID": EncodedHeader(f"{content.key}:{content.list_name}:email:{_FEEDBACK_SENDER}"),
    }
