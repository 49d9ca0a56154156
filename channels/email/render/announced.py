"""The announcement of a mail before it comes: who sends it, and its subject."""

from channels.email.render.build import agency_name
from channels.email.render.personal import transactional_texts
from channels.email.settings import EmailSettings
from contracts.subscriptions.transactional import TransactionalKind


def announced_sender(settings: EmailSettings) -> str:
    """The sender's name, with the address where one is configured."""
    name = agency_name(settings)
    return f"{name} <{settings.sender}>" if "from_" in settings.model_fields_set else name


def announced_subject(kind: TransactionalKind, settings: EmailSettings) -> str:
    """The subject of a mail of *kind*."""
    subject: str = transactional_texts(kind)["subject"]
    return subject.format(agency=agency_name(settings))
