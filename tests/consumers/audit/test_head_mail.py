"""The auditor gets the day's head by mail, once a day, whole enough to verify the log with."""

from email import message_from_bytes, policy

import pytest

from channels.base import Recipient
from channels.email.render.personal import RenderedTransactionalMail
from consumers.audit.head_mail import HeadMailer
from consumers.audit.heads import HeadWriter, trusted_heads
from consumers.audit.log import Act, AuditLog
from consumers.audit.signed import signing_key
from consumers.key_file import KeyFile
from contracts import keys
from tests.support.mails import email_channel, without_dot_stuffing

AUDITOR = "kiem.tra@example.gov.vn"
DAY_S = 86400


@pytest.fixture
async def heads(bus, tmp_path, signup_app):
    audit = AuditLog(bus, signup_app.clock)
    await audit.record(Act("units.add", "vu-a", "an"))
    return HeadWriter(audit, tmp_path / "heads.jsonl", signing_key(KeyFile(b"k" * 32)))


async def test_a_head_is_mailed_once_a_day_over_all_processes(heads, signup_app):
    for _ in range(2):
        for _ in range(2):
            mailer = HeadMailer(signup_app.mailer, AUDITOR, signup_app.clock)
            await mailer.send_once(await heads.write_if_due())
            await signup_app.send_mails()
        signup_app.clock.advance(DAY_S)
    assert signup_app.relay.addresses == [AUDITOR, AUDITOR]


async def test_what_was_mailed_proves_the_log(heads, signup_app, tmp_path):
    head = await heads.write_if_due()
    await HeadMailer(signup_app.mailer, AUDITOR, signup_app.clock).send_once(head)
    [mail] = (await signup_app.pending_mails()).values()
    rendered = RenderedTransactionalMail(mail, email_channel().context)
    sent = rendered.envelope(Recipient(keys.SOLE_RECIPIENT, "k" * 52, AUDITOR))
    arrived = message_from_bytes(without_dot_stuffing(sent.body), policy=policy.default)
    text = arrived.get_body(("plain",)).get_content()
    [line] = [line for line in text.splitlines() if line.startswith("{")]
    kept = tmp_path / "kept.jsonl"
    kept.write_text(line)
    assert trusted_heads(kept, heads.key) == ({head.n: head.h}, True)
    assert "nhật ký" in arrived["Subject"]
