"""Mail to staff says what is needed to act, and nothing of the item's body."""

from datetime import timedelta
from email import message_from_bytes, policy
from itertools import product

import pytest

from channels.base import Recipient
from channels.email.render.personal import RenderedTransactionalMail
from contracts import keys
from contracts.desk.staff_mail import StaffMailKind, StaffMailLine
from contracts.editorial import Status
from contracts.subscriptions.transactional import TransactionalKind, TransactionalMail
from contracts.vocabulary import REJECTIONS
from tests.support.mails import email_channel, without_dot_stuffing
from tests.support.signup_app import NOON
from tests.support.staff_mail import DESK_URL, TITLE, UNIT

STEPS = ("confirm", "edit", "approve")
TOLD_STEPS = (
    *(Status.UNIT_CONFIRMED, Status.IN_EDIT, Status.PENDING_APPROVAL),
    Status.SCHEDULED,
)
LINES = [
    *product((StaffMailKind.WAITS, StaffMailKind.OVERDUE), STEPS),
    *product((StaffMailKind.PROGRESS,), map(str, TOLD_STEPS)),
    *(
        (kind, "")
        for kind in StaffMailKind
        if kind not in (StaffMailKind.WAITS, StaffMailKind.OVERDUE, StaffMailKind.PROGRESS)
    ),
]


def a_line(kind: StaffMailKind, step: str, **more: object) -> StaffMailLine:
    facts = {"kind": kind, "step": step, "content_id": "tin-1", "title": TITLE, "unit": UNIT}
    return StaffMailLine.model_validate(facts | more)


def arrived(*lines: StaffMailLine, desk_url: str = DESK_URL):
    """The mail as a person's mail program reads it."""
    mail = TransactionalMail(
        kind=TransactionalKind.STAFF,
        address="soan@example.gov.vn",
        lines=lines,
        desk_url=desk_url,
        at=NOON,
        expires_at=NOON + timedelta(days=3),
    )
    rendered = RenderedTransactionalMail(mail, email_channel().context)
    sent = rendered.envelope(Recipient(keys.SOLE_RECIPIENT, "k" * 52, mail.address))
    return message_from_bytes(without_dot_stuffing(sent.body), policy=policy.default)


@pytest.mark.parametrize(("kind", "step"), LINES)
def test_a_mail_names_the_item_and_where_to_act(kind, step):
    mail = arrived(a_line(kind, step, due=NOON, missed=3, expected=20))
    assert TITLE in mail["Subject"]
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail["List-Unsubscribe"] is None
    for part in ("plain", "html"):
        text = mail.get_body((part,)).get_content()
        assert f"{DESK_URL}/tin/tin-1" in text
        assert f"{DESK_URL}/tai-khoan" in text
        assert "12:00 ngày 26/11/2026" in text


def test_a_refusal_says_why_by_code_and_words():
    line = a_line(StaffMailKind.REJECTED, "", code="trai-chu-truong", reason="Xem Điều 3")
    text = arrived(line).get_body(("plain",)).get_content()
    assert REJECTIONS["trai-chu-truong"]["vi"] in text
    assert "Xem Điều 3" in text


@pytest.mark.parametrize("kind", [StaffMailKind.PUBLISHED, StaffMailKind.CORRECTED])
def test_a_text_whose_time_is_to_come_will_be_published_then(kind):
    mail = arrived(a_line(kind, "", begins=NOON + timedelta(hours=2)))
    assert "Đã đăng" not in mail["Subject"]
    for part in ("plain", "html"):
        text = mail.get_body((part,)).get_content()
        assert "sẽ được đăng lúc 14:00 ngày 26/11/2026" in text
        assert "đã được đăng" not in text


def test_without_the_desks_address_there_is_no_dead_link():
    text = arrived(a_line(StaffMailKind.WAITS, "confirm"), desk_url="")
    assert "/tin/" not in text.get_body(("html",)).get_content()


def test_a_mornings_mail_lists_each_item_under_what_is_told_of_it():
    lines = [
        a_line(StaffMailKind.WAITS, "approve", due=NOON),
        a_line(StaffMailKind.WAITS, "approve", content_id="tin-2", title="Tin hai"),
        a_line(StaffMailKind.RETURNED, "", content_id="tin-3", reason="Thiếu nguồn"),
    ]
    mail = arrived(*lines)
    assert "3 việc" in mail["Subject"]
    for part in ("plain", "html"):
        text = mail.get_body((part,)).get_content()
        assert all(f"{DESK_URL}/tin/tin-{n}" in text for n in (1, 2, 3))
        assert text.count("Chờ duyệt") == 1
        assert "12:00 ngày 26/11/2026" in text
        assert "Thiếu nguồn" in text
    assert TITLE in arrived(*lines, desk_url="").get_body(("plain",)).get_content()


def test_of_very_many_the_rest_is_counted():
    lines = [a_line(StaffMailKind.WAITS, "edit", content_id=f"tin-{n}") for n in range(140)]
    text = arrived(*lines).get_body(("plain",)).get_content()
    assert (text.count("/tin/tin-"), "Còn 40 việc" in text) == (100, True)
