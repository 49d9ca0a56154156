"""Mail to one person, of no list and rendered when sent: case notices, transactional mail."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from channels import case_notice_texts
from channels.base import Recipient
from channels.case_notice_texts import NoticeText
from channels.email import header_injection
from channels.email.render import build, headers
from channels.email.render.build import MailContext
from channels.email.render.compiled import CompiledMail, Placeholder, Placeholders
from channels.email.render.message import MailContent, texts
from channels.email.render.parts import paragraphs_html, render_part
from channels.email.render.publication import check_delivery_key
from channels.email.render.staff import staff_closing, staff_content
from channels.email.render.trial import TRANSACTIONAL_TEXTS, trial_content, trial_values
from channels.email.smtp.window import Envelope
from channels.organisations import governing_body
from contracts import keys
from contracts.case import AcceptedNotice, CaseNotice
from contracts.catalog import load_texts
from contracts.subscriptions.transactional import TransactionalKind, TransactionalMail
from contracts.text.moments import format_moment_in_sentence

_NO_ANSWERS = {"answerable": False, "contacts": "", "postal": ""}
"""Of another body's notice: who has a question asks that body."""


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
        self.template_values = {**context.template_values, **values}

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


class _Speaker(NamedTuple):
    """Who speaks: in the head, below it, and in From; empty values are the agency's."""

    head: str = ""
    unit: str = ""
    sender: str = ""

    @property
    def is_other(self) -> bool:
        """Whether it is a body outside the agency."""
        return bool(self.head)


class RenderedCaseNotice(PersonalMail):
    """Mail of one notice."""

    def __init__(self, notice: CaseNotice, context: MailContext) -> None:
        words, speaker = texts()["case"], _speaker(notice.authority, context)
        host = urlsplit(notice.detail_url or "").hostname
        who = {"agency": context.agency, "authority": notice.authority}
        text = case_notice_texts.notice_text(notice)
        values: dict[str, object] = {
            "notice": text,
            "opens": words["opens"].format(host=host),
            "ask": words["ask_other" if speaker.is_other else "ask"].format_map(who),
            "why": words["why"].format_map(who),
            **(_NO_ANSWERS if speaker.is_other else {}),
        }
        super().__init__(context, "notice", _notice_content(notice, text, speaker), **values)


def _notice_content(notice: CaseNotice, text: NoticeText, speaker: _Speaker) -> MailContent:
    """Content in the catalogue's words."""
    subject, words = case_notice_texts.subject(notice), texts()["case"]
    date = notice_date(notice)
    lines = [*text.paragraphs, *([text.warning] if text.warning else [])]
    return MailContent(
        subject=subject,
        title=subject,
        date=date,
        head=speaker.head,
        sender=speaker.sender,
        sender_unit=speaker.unit,
        url=notice.detail_url or "",
        html=paragraphs_html(text.paragraphs, notice.case_code, text.warning),
        plain="\n\n".join(lines),
        facts=(*text.facts, (words["sent"], format_moment_in_sentence(date))),
        code=notice.case_code,
        opening="".join(text.paragraphs[:1]),
        button=words["button"],
    )


def _speaker(authority: str, context: MailContext) -> _Speaker:
    """The agency, a unit of it, or another body whose notice the agency sends."""
    agency = context.agency
    if authority.casefold() == agency.casefold():
        return _Speaker()
    own_units = {unit.name for unit in context.vocabulary.units.values()}
    if texts()["agency"].casefold() in authority.casefold() or authority in own_units:
        return _Speaker(unit=authority)
    sender = texts()["case"]["through"].format(authority=authority, agency=agency)
    if body := governing_body(authority):
        return _Speaker(body, authority, sender)
    return _Speaker(authority, sender=sender)


def notice_date(notice: CaseNotice) -> datetime:
    """Time of acceptance: the same at every retry, never far in the past or the future."""
    return notice.accepted_at if isinstance(notice, AcceptedNotice) else notice.occurred_at


def transactional_texts(kind: TransactionalKind) -> Mapping[str, Any]:
    """The catalogue's words of one kind."""
    words: Mapping[str, Any] = load_texts(TRANSACTIONAL_TEXTS)["kind"][kind]
    return words


class RenderedTransactionalMail(PersonalMail):
    """One mail in the catalogue's words."""

    def __init__(self, mail: TransactionalMail, context: MailContext) -> None:
        self.mail = mail
        if mail.publication:
            content = trial_content(mail, mail.publication, context)
            super().__init__(context, "mail", content, **trial_values(context))
            return
        if mail.lines:
            content, closing = staff_content(mail, context), staff_closing(mail, context)
            super().__init__(context, "transactional", content, closing=closing)
            return
        words = _words_of(mail)
        values = _transactional_values(mail, context)
        closing = words["closing"].format_map(values)
        content = _transactional_content(mail, context, words, values)
        super().__init__(context, "transactional", content, closing=closing)


def _words_of(mail: TransactionalMail) -> Mapping[str, Any]:
    if not mail.disabled_endpoint:
        return transactional_texts(mail.kind)
    words: Mapping[str, Any] = load_texts(TRANSACTIONAL_TEXTS)["disabled_endpoint"]
    return words


def _transactional_values(mail: TransactionalMail, context: MailContext) -> dict[str, str]:
    return {
        "agency": context.agency,
        "address": mail.address,
        "other": mail.other,
        "text": mail.text,
        "disabled_endpoint": mail.disabled_endpoint,
        "until": format_moment_in_sentence(mail.expires_at),
        "asked": format_moment_in_sentence(mail.at),
    }


def _transactional_content(
    mail: TransactionalMail,
    context: MailContext,
    words: Mapping[str, Any],
    values: Mapping[str, str],
) -> MailContent:
    paragraphs = [text.format_map(values) for text in words["paragraphs"]]
    return MailContent(
        subject=words["subject"].format_map(values),
        title=words["title"].format_map(values),
        date=mail.at,
        url=f"{context.public_url}{mail.path}" if mail.path else "",
        opening=paragraphs[0],
        button=words["button"],
        html=paragraphs_html(paragraphs),
        plain="\n\n".join(paragraphs),
    )
