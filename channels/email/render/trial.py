"""A trial of an item's mail: what readers would get, marked, of no list, and with no real links."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from channels.email.render.build import MailContext
from channels.email.render.message import TEMPLATES, MailContent, change_kind, compose, greeting
from contracts.catalog import load_texts
from contracts.publication import Publication
from contracts.subscriptions.transactional import TransactionalMail

TRANSACTIONAL_TEXTS = TEMPLATES / "transactional.toml"
_NO_READER = "ban-thu"
"""In place of a reader's token: it opens no subscription, and ends none."""


def trial_values(context: MailContext) -> Mapping[str, object]:
    """Values of the templates of a list's mail, beside its content."""
    ways = {"unsubscribe": context.unsubscribe_url, "manage": context.manage_url}
    return {**ways, "token": _NO_READER, "greeting": greeting("")}


def trial_content(
    mail: TransactionalMail, publication: Publication, context: MailContext
) -> MailContent:
    """The mail, marked in its header, its subject, its first line and its title."""
    words = _words(mail)
    change = change_kind(publication, mail.is_correction)
    content = compose(publication, change, context.vocabulary, context.public_url)
    said = [one.format(unit=mail.trial_unit) for one in words["paragraphs"]]
    return replace(
        content,
        subject=f"{words['subject']}: {content.subject}",
        title=f"{words['title']}: {content.title}" if mail.trial_unit else content.title,
        intro=" ".join(filter(None, (*said, content.intro))),
        list_name="",
        is_trial=bool(mail.trial_unit),
    )


def _words(mail: TransactionalMail) -> Mapping[str, Any]:
    """The words for a trial that a unit's system sent, or for one of the desk."""
    texts: Mapping[str, Any] = load_texts(TRANSACTIONAL_TEXTS)
    words: Mapping[str, Any] = texts["unit_trial"] if mail.trial_unit else texts["kind"][mail.kind]
    return words
