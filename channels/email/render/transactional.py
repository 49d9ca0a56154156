"""Transactional mail: one person, their own subscription, one link."""

import tomllib
from collections.abc import Mapping
from datetime import datetime
from functools import cache
from typing import Any

from channels.email.render.build import MailContext
from channels.email.render.message import TEMPLATES, format_moment_in_sentence
from channels.email.render.message import MailContent as Words
from channels.email.render.personal import PersonalMail, paragraph_content
from contracts.subscriptions.transactional import TransactionalMail


class RenderedTransactionalMail(PersonalMail):
    """One mail in the catalogue's words."""

    template_name = "letter"

    def __init__(self, mail: TransactionalMail, context: MailContext) -> None:
        super().__init__(context)
        self.mail = mail
        self.texts: Mapping[str, Any] = transactional_texts()["kind"][mail.kind]

    @property
    def date(self) -> datetime:
        return self.mail.at

    def template_values(self) -> Mapping[str, object]:
        return {name: self.texts[name] for name in ("button", "closing")}

    def content(self) -> Words:
        mail, context = self.mail, self.context
        known = {
            "agency": context.agency,
            "other": mail.other,
            "until": format_moment_in_sentence(mail.expires_at),
            "asked": format_moment_in_sentence(mail.at),
        }
        return paragraph_content(
            self.texts["subject"].format_map(known),
            self.texts["title"].format_map(known),
            [text.format_map(known) for text in self.texts["paragraphs"]],
            url=f"{context.public_url}{mail.path}" if mail.path else "",
        )


@cache
def transactional_texts() -> Mapping[str, Any]:
    return tomllib.loads((TEMPLATES / "letter.toml").read_text("utf-8"))
