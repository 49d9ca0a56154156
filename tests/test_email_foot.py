"""The foot of every mail says who writes and where they are, in both parts."""

import pytest
from pydantic import ValidationError

from channels.email.maildrop import content
from tests.mails import email_channel, sent, undotted

ADDRESS = "Số 8 Tôn Thất Thuyết, Cầu Giấy, Hà Nội"
SAID = f"Bộ Nội vụ. Địa chỉ: {ADDRESS}"


@pytest.mark.parametrize("kind", ["plain", "html"])
def test_the_agencys_postal_address_stands_at_the_foot(kind):
    for address, there in ((ADDRESS, True), ("", False)):
        wire, _ = sent(channel=email_channel(postal_address=address))
        said = content(undotted(wire), kind)
        assert (SAID in said, "Địa chỉ" in said) == (there, there)


def test_a_postal_address_cannot_write_html():
    wire, _ = sent(channel=email_channel(postal_address="Số 8 <b>Tôn Thất Thuyết</b>"))
    assert "<b>Tôn" not in content(undotted(wire), "html")


def test_an_address_of_two_lines_is_refused_by_name():
    with pytest.raises(ValidationError, match="LOA_EMAIL_POSTAL_ADDRESS"):
        email_channel(postal_address="Số 8\r\nHà Nội")
