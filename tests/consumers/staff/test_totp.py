"""One-time codes: the vectors of RFC 4226 and RFC 6238, one step early or late, and once."""

import base64

import pytest

from consumers.staff import totp
from contracts.staff.sign_in import setup_uri, text_secret

SECRET = b"12345678901234567890"
HOTP = (
    *("755224", "287082", "359152", "969429", "338314"),
    *("254676", "287922", "162583", "399871", "520489"),
)
TOTP = {
    59: "94287082",
    1111111109: "07081804",
    1111111111: "14050471",
    1234567890: "89005924",
    2000000000: "69279037",
    20000000000: "65353130",
}
NOW = 1_800_000_015.0


def test_codes_are_those_of_rfc_4226():
    assert [totp.one_time_code(SECRET, step) for step in range(10)] == [*HOTP]


@pytest.mark.parametrize(("at", "code"), TOTP.items())
def test_codes_are_those_of_rfc_6238(at, code):
    assert totp.one_time_code(SECRET, totp.current_step(at), digits=8) == code
    assert totp.matching_step(SECRET, code[2:], at, 0) == at // 30


@pytest.mark.parametrize(("steps", "is_right"), [(-2, 0), (-1, 1), (0, 1), (1, 1), (2, 0)])
def test_a_code_is_right_one_step_early_or_late(steps, is_right):
    step = totp.current_step(NOW) + steps
    code = totp.one_time_code(SECRET, step)
    assert totp.matching_step(SECRET, code, NOW, 0) == (step if is_right else None)


def test_a_code_and_those_before_it_work_once():
    step = totp.current_step(NOW)
    for offset in (-1, 0):
        assert (
            totp.matching_step(SECRET, totp.one_time_code(SECRET, step + offset), NOW, step) is None
        )
    later = totp.one_time_code(SECRET, step + 1)
    assert totp.matching_step(SECRET, later, NOW, step) == step + 1


@pytest.mark.parametrize("given", ["", "0", "١٢٣٤٥٦", "999999999999", "\ud800", "abcdef"])
def test_what_is_no_code_is_refused(given):
    assert totp.matching_step(SECRET, given, NOW, 0) is None


def test_a_code_may_be_typed_in_two_groups():
    code = totp.one_time_code(SECRET, totp.current_step(NOW))
    assert totp.matching_step(SECRET, f" {code[:3]} {code[3:]}", NOW, 0)


def test_an_app_reads_the_secret():
    secret = totp.new_secret()
    assert len(secret) == 20 and secret != totp.new_secret()
    assert base64.b32decode(text_secret(secret)) == secret
    assert setup_uri(secret, "an") == (
        f"otpauth://totp/Loa:an?secret={text_secret(secret)}&issuer=Loa"
    )
