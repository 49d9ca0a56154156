"""The foot of every mail says who writes and where they are, in both parts."""

import pytest
from pydantic import ValidationError

from channels.email.parsing import body_text
from tests.support.mails import email_channel, sent_mail, without_dot_stuffing

ADDRESS = "Số 8 Tôn Thất Thuyết, Cầu Giấy, Hà Nội"
SAID = f"Bộ Nội vụ. Địa chỉ: {ADDRESS}"


@pytest.mark.parametrize("kind", ["plain", "html"])
def test_the_agencys_postal_address_stands_at_the_foot(kind):
    for address, there in ((ADDRESS, True), ("", False)):
        wire, _ = sent_mail(channel=email_channel(postal_address=address))
        said = body_text(without_dot_stuffing(wire), kind)
        assert (SAID in said, "Địa chỉ" in said) == (there, there)


def test_a_postal_address_cannot_write_html():
    wire, _ = sent_mail(channel=email_channel(postal_address="Số 8 <b>Tôn Thất Thuyết</b>"))
    assert "<b>Tôn" not in body_text(without_dot_stuffing(wire), "html")


def test_an_address_of_two_lines_is_refused_by_name():
    with pytest.raises(ValidationError, match="LOA_EMAIL_POSTAL_ADDRESS"):
        email_channel(postal_address="Số 8\r\nHà Nội")
