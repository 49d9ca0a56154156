"""Transactional mail: one person, their own subscription, one link."""

from collections.abc import Mapping

from channels.email.render.build import MailContext
from channels.email.render.message import TEMPLATES, MailContent
from channels.email.render.personal import PersonalMail, paragraphs_html
from contracts.base.times import format_moment_in_sentence
from contracts.catalog import load_texts
from contracts.subscriptions.transactional import TransactionalMail


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
