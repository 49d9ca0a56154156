"""Returned mail with real processes: a bounce, a wish to leave by mail, and the next mail."""

import re
import smtplib

import pytest

from channels.email.devmailbox.mail_folder import MailFolder
from channels.email.parsing import body_text, header_text
from tests.support.bounce_mails import bounce_mail
from tests.support.gateway_client import sample_event
from tests.support.loa_process import LoaProcess, wait_until

GONE, LEAVES, STAYS = (f"nguoi{number}@example.com" for number in range(3))
LEAVE_TO = "huy@moha.example"


@pytest.fixture
def loa(tmp_path):
    settings = {"EMAIL_BOUNCE_DOMAIN": "tra-lai.moha.example", "BOUNCES_PORT": 0}
    with LoaProcess(tmp_path, **settings, EMAIL_UNSUBSCRIBE_TO=LEAVE_TO) as loa:
        loa.add_unit()
        loa.readers(3)
        yield loa


def mails(loa, topic: str) -> dict[str, bytes]:
    """Reader → mail, of the item with this title."""
    raw = [one.raw() for one in MailFolder(loa.data / "mail").newest_first()]
    mine = [one for one in raw if topic in header_text(one, "Subject")]
    return {header_text(one, "To"): one for one in mine}


def letters(loa) -> list[bytes]:
    """The letters that open a reader's own subscription."""
    raw = [one.raw() for one in MailFolder(loa.data / "mail").newest_first()]
    return [one for one in raw if "/dang-ky/quan-ly/" in body_text(one, "plain")]


def bounced_and_delivered(loa) -> tuple[int, int]:
    counts = loa.trace("tin-1")["channels"]["email"]
    return counts["bounced"], counts["delivered"]


def back(loa, recipient: str, mail: bytes, sender: str = "") -> None:
    host, _, port = loa.ready().bounces.rpartition(":")
    with smtplib.SMTP(host, int(port)) as relay:
        relay.sendmail(sender, [recipient], mail)


def test_a_bounce_and_a_wish_to_leave_are_obeyed_by_the_next_mail(loa):
    assert loa.post(sample_event(title="Tin thứ nhất", content_id="tin-1")).status == 202
    first = wait_until(lambda: len(found := mails(loa, "thứ nhất")) == 3 and found, "three mails")
    path = header_text(first[GONE], "Return-Path").strip("<>")
    message_id = header_text(first[GONE], "Message-ID")[1:33]
    back(loa, path, bounce_mail("5.1.1", to=GONE, message_id=message_id))
    token = re.search(
        r"mailto:[^?>]*\?subject=([^>&]+)", header_text(first[LEAVES], "List-Unsubscribe")
    )
    wish = f"From: {LEAVES}\r\nSubject: {token[1]}\r\n\r\n\r\n".encode()
    back(loa, LEAVE_TO, wish, LEAVES)
    asks = f"From: {STAYS}\r\nTo: {LEAVE_TO}\r\nSubject: Dừng\r\n\r\n\r\n".encode()
    back(loa, LEAVE_TO, asks, STAYS)
    with pytest.raises(smtplib.SMTPRecipientsRefused):
        back(loa, path.replace("=", "=0"), bounce_mail("5.1.1", to=GONE))
    wait_until(lambda: '"event": "address_suppressed"' in loa.log(), "the suppression")
    [letter] = wait_until(lambda: letters(loa), "the way in, for whoever wrote without a token")
    assert header_text(letter, "To") == STAYS
    assert re.fullmatch(r"<b\+l\d+\.\d+\.0=\w+@\S+>", header_text(letter, "Return-Path"))
    wait_until(lambda: bounced_and_delivered(loa) == (1, 3), "the bounce in the trace")
    assert loa.post(sample_event(id="e-2", title="Tin thứ hai", content_id="tin-2")).status == 202
    wait_until(lambda: mails(loa, "thứ hai"), "the second mail")
    wait_until(lambda: loa.log().count('"event": "batch_closed"') >= 2, "both batches")
    assert set(mails(loa, "thứ hai")) == {STAYS}
    assert loa.cli("mail", "suppressed", "show", GONE, "--json").json["reason"] == "bounced 5.1.1"
    assert "@example.com" not in loa.log()
