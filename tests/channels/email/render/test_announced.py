"""Texts that announce a mail to readers agree with its head."""

from datetime import UTC, datetime
from email import message_from_bytes, policy

import pytest

from channels.base import Recipient
from channels.email.render.announced import announced_sender, announced_subject
from channels.email.render.build import MailContext
from channels.email.render.personal import RenderedTransactionalMail
from channels.email.settings import EmailSettings
from channels.email.unsubscribe import HmacSigner
from contracts.subscriptions.transactional import TransactionalKind, TransactionalMail
from contracts.vocabulary import DEFAULT

NOON = datetime(2026, 11, 26, 5, tzinfo=UTC)
SENDERS = ["Bộ Nội vụ <thong-bao@moha.example>", "Bộ Nội vụ Thử <a@b.example>", "a@b.example"]


@pytest.mark.parametrize("sender", SENDERS)
@pytest.mark.parametrize("kind", ["confirm", "manage", "absent", "change"])
def test_a_mail_has_the_sender_and_the_subject_that_were_announced(sender, kind):
    kind = TransactionalKind(kind)
    settings = EmailSettings(_env_file=None, from_=sender)
    mail = TransactionalMail(kind=kind, address="an@example.com", at=NOON, expires_at=NOON)
    context = MailContext(settings, "https://moha.example", HmacSigner(b"k" * 32), DEFAULT)
    row = Recipient(id="r", address=mail.address, delivery_key="k" * 32)
    head = message_from_bytes(
        RenderedTransactionalMail(mail, context).envelope(row).body, policy=policy.default
    )
    assert head["Subject"] == announced_subject(kind, settings)
    [told] = head["From"].addresses
    assert f"{told.display_name} <{told.addr_spec}>" == announced_sender(settings)


def test_an_address_that_is_not_set_is_not_announced():
    assert "@" not in announced_sender(EmailSettings(_env_file=None))
