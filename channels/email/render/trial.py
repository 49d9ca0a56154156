"""A trial of an item's mail: what readers would get, marked, of no list, and with no real links."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from channels.email.render.build import MailContext
from channels.email.render.message import MailContent, change_kind, compose, greeting
from contracts.publication import Publication

_NO_READER = "ban-thu"
"""In place of a reader's token: it opens no subscription, and ends none."""


def trial_values(context: MailContext) -> Mapping[str, object]:
    """Values of the templates of a list's mail, beside its content."""
    ways = {"unsubscribe": context.unsubscribe_url, "manage": context.manage_url}
    return {**ways, "token": _NO_READER, "greeting": greeting("")}


def trial_content(
    publication: Publication, context: MailContext, words: Mapping[str, Any]
) -> MailContent:
    """The mail for a new reader, marked in subject and first line with the catalogue's *words*."""
    change = change_kind(publication, correction=False)
    content = compose(publication, change, context.vocabulary, context.public_url)
    intro = " ".join(filter(None, (*words["paragraphs"], content.intro)))
    subject = f"{words['subject']}: {content.subject}"
    return replace(content, subject=subject, intro=intro, list_name="")
