"""Vietnamese in mail headers: what is written arrives, and nothing else."""

import random
import re
import unicodedata
from base64 import b64decode
from email import message_from_bytes, policy
from email.utils import parseaddr

import pytest

from channels.email import header_injection
from channels.email.render import headers
from tests.support.mails import decoded_header, decoded_name, raw_header

VOWELS = "aăâeêioôơuưy"
TONES = ("", "\u0300", "\u0301", "\u0303", "\u0309", "\u0323")
INITIALS = ["", *"bcdđghklmnpqrstvx", "ch", "gh", "kh", "ng", "ngh", "nh", "ph", "th", "tr"]
ENDINGS = ["", "c", "ch", "i", "m", "n", "ng", "nh", "o", "p", "t", "u"]
OTHERS = ["2027", "01/2027/NĐ-CP", '"nháy"', "(ngoặc)", "a@b", "x;y", "<b>", "=?", "?=", ".", ","]


def syllable(rnd):
    vowel = unicodedata.normalize("NFC", rnd.choice(VOWELS) + rnd.choice(TONES))
    word = rnd.choice(INITIALS) + vowel + rnd.choice(ENDINGS)
    return rnd.choice([word, word.capitalize(), word.upper()])


def text(rnd, longest):
    words = [
        syllable(rnd) if rnd.random() < 0.9 else rnd.choice(OTHERS)
        for _ in range(rnd.randint(1, 28))
    ]
    return " ".join(words)[:longest].strip()


def written(**fields):
    mail = headers.new_message(fields)
    mail.set_payload("x\r\n")
    return mail.as_bytes()


@pytest.mark.parametrize("part", range(10))
def test_1000_random_subjects_and_display_names_survive_the_journey(part):
    rnd = random.Random(part)
    for _ in range(100):
        subject, name = text(rnd, 150), text(rnd, 150)
        sent = written(
            Subject=headers.encode_text("Subject", subject),
            From=headers.encode_mailbox("From", name, "thong-bao@moha.example"),
            To=headers.encode_mailbox("To", name, "nguoi-nhan@example.com"),
        )
        arrived = message_from_bytes(sent, policy=policy.default)
        assert arrived["Subject"] == subject
        assert decoded_header(arrived, "Subject") == subject
        assert decoded_name(arrived, "From") == decoded_name(arrived, "To") == name
        assert parseaddr(raw_header(arrived, "To"))[1] == "nguoi-nhan@example.com"
        assert [str(a.addr_spec) for a in arrived["To"].addresses] == ["nguoi-nhan@example.com"]
        assert max(map(len, sent.split(b"\r\n"))) <= 76
        assert sent.isascii()
        for word in re.findall(rb"=\?utf-8\?b\?([^?]*)\?=", sent):
            assert b64decode(word).decode()  # each word is whole characters


@pytest.mark.parametrize("name", ["Nguyễn Thị Hường", "Hồ Nguyễn Thị Phương Thảo", "An", "Lê An"])
def test_a_persons_name_is_one_encoded_word_that_no_decoder_can_tear(name):
    sent = written(To=headers.encode_mailbox("To", name, "a@example.com"))
    arrived = message_from_bytes(sent, policy=policy.default)
    assert arrived["To"].addresses[0].display_name == name
    assert sent.count(b"=?utf-8") <= 1


@pytest.mark.parametrize("plain", ["Thong bao 01", "Nghi Tet 2027: lich moi!", "a" * 60])
def test_plain_ascii_stays_readable(plain):
    assert headers.encode_text("Subject", plain) == plain


def test_an_endless_value_is_refused():
    with pytest.raises(header_injection.UnsafeHeader):
        headers.encode_text("Subject", "a" * 1000)


@pytest.mark.parametrize(
    "address", ["a@example.com", "nguyen.van-a+tin@sub.moha.gov.vn", "o'brien@example.com", "A_1@b"]
)
def test_ordinary_addresses_pass(address):
    assert header_injection.check_recipient(address) == address.encode()
