"""The mail of a unit's trial: marked in header, subject, preview, first line and title."""

import re
from email import message_from_bytes, policy

import pytest

from channels.base import Recipient
from channels.email.render.personal import RenderedTransactionalMail
from contracts import keys
from contracts.subscriptions.transactional import TransactionalKind, TransactionalMail
from tests.support.mails import email_channel, without_dot_stuffing
from tests.support.publications import a_publication
from tests.support.signup_app import NOON

MARK = "THỬ NGHIỆM"
UNIT = "Vụ Cải cách hành chính"
REASON = "Sửa ngày tiếp công dân"
POSITIONS = {
    "published": a_publication(),
    "corrected": a_publication(action="corrected", revision=2, reason=REASON),
    "withdrawn": a_publication(action="withdrawn", revision=2, reason=REASON, body=""),
}


def arrived(item, **more):
    """The mail as a guest's mail program reads it."""
    facts = {"kind": TransactionalKind.TRIAL, "address": "an@moha.example", "at": NOON}
    mail = TransactionalMail(**facts, publication=item, expires_at=NOON, **more)
    rendered = RenderedTransactionalMail(mail, email_channel().context)
    sent = rendered.envelope(Recipient("trial", keys.digest("x"), mail.address))
    return message_from_bytes(without_dot_stuffing(sent.body), policy=policy.default)


@pytest.mark.parametrize("item", POSITIONS.values(), ids=POSITIONS)
def test_every_part_of_the_mail_is_marked(item):
    mail = arrived(item, trial_unit=UNIT, is_correction=item.revision > 1)
    assert mail["X-Loa-Trial"] == "1"
    assert mail["Subject"].startswith(f"{MARK}: ")
    assert item.title in mail["Subject"]
    assert mail["List-Unsubscribe"] is None and mail["List-Id"] is None
    html, plain = (mail.get_body((kind,)).get_content() for kind in ("html", "plain"))
    shown = re.sub(r"<[^>]+>", "", html.partition("<body")[2].partition(">")[2]).strip()
    assert shown.startswith(f"{MARK}: {UNIT} "), "beside the subject, in lists of mails"
    [heading] = re.findall(r"<h1[^>]*>(.*?)</h1>", html, re.S)
    assert heading.startswith(f"{MARK}: ")
    assert plain.count(MARK) == 2
    assert (REASON in html) == (item.action != "published")


def test_who_had_the_item_gets_a_correction_and_others_get_news():
    item = POSITIONS["corrected"]
    subjects = [arrived(item, trial_unit=UNIT, is_correction=had)["Subject"] for had in (0, 1)]
    assert subjects[0] == f"{MARK}: {item.title}"
    assert subjects[1] != subjects[0]


def test_a_trial_of_the_desk_is_marked_as_before():
    mail = arrived(POSITIONS["published"])
    assert mail["X-Loa-Trial"] is None
    assert mail["Subject"].startswith("BẢN THỬ: ")
