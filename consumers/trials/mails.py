"""The mail about a trial to one guest."""

from datetime import datetime, timedelta

from channels.email.render.message import unit_name
from contracts.publication import Publication
from contracts.subscriptions.transactional import TransactionalKind, TransactionalMail
from contracts.vocabulary import Vocabulary

LIFETIME = timedelta(days=1)
"""A mail that has not left by then is sent no more."""


def trial_mail(
    item: Publication, address: str, vocabulary: Vocabulary, now: datetime, *, is_correction: bool
) -> TransactionalMail:
    """The mail; *is_correction*: its reader had an earlier position of the item."""
    return TransactionalMail(
        kind=TransactionalKind.TRIAL,
        address=address,
        publication=item,
        trial_unit=unit_name(item, vocabulary) or item.unit,
        is_correction=is_correction,
        at=now,
        expires_at=now + LIFETIME,
    )
