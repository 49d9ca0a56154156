"""Credentials in files: each mistake is named before the server is asked."""

import os
from datetime import UTC, datetime, timedelta

import nkeys
import pytest
import trustme

from contracts.errors import Invalid
from producers.access import Access, without_password
from tests.support.nats_jwt import Operator, new_key

NOW = datetime.now(UTC)


def write(path, content, mode=0o600):
    path.write_text(content)
    path.chmod(mode)
    return path


def seed(prefix=nkeys.PREFIX_BYTE_USER):
    return new_key(prefix).seed.decode()


def refusal(access, now=NOW):
    with pytest.raises(Invalid) as refused:
        access.check(now)
    [error] = refused.value.errors
    assert error.message.isascii() and error.message != error.message_vi
    return error


def test_what_can_be_used_is_taken(tmp_path):
    creds = Operator().write_credentials(tmp_path / "user.creds", 60)
    nkey = write(tmp_path / "user.nk", seed() + "\n", 0o400)
    trustme.CA().cert_pem.write_to_path(ca := tmp_path / "ca.pem")
    for access in (Access(), Access(creds), Access(nkey_file=nkey), Access(password="x")):
        access.check(NOW)
        Access(access.creds_file, access.nkey_file, ca).check(NOW)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644, 0o660])
def test_keys_that_others_may_read_are_refused(tmp_path, mode):
    creds = Operator().write_credentials(tmp_path / "user.creds")
    creds.chmod(mode)
    nkey = write(tmp_path / "user.nk", seed(), mode)
    for access in (Access(creds), Access(nkey_file=nkey)):
        error = refusal(access)
        assert error.field == access.variable
        assert "chmod 600" in error.message and "chmod 600" in error.message_vi


@pytest.mark.parametrize(
    "content",
    ["", seed(), "no key", seed(nkeys.PREFIX_BYTE_ACCOUNT), seed()[:-9]],
    ids=["empty", "a seed alone", "text", "an account's seed", "cut"],
)
def test_other_content_is_refused_and_never_shown(tmp_path, content):
    files = Access(creds_file=write(tmp_path / "a", content)), None
    if not content.startswith("SU") or len(content) < len(seed()):
        files = (*files, Access(nkey_file=write(tmp_path / "b", content)))
    for access in filter(None, files):
        error = refusal(access)
        assert error.field == access.variable
        assert not content or content not in error.message + error.message_vi


@pytest.mark.parametrize("variable", ["CREDS", "NKEY", "CA"])
def test_a_missing_file_is_named(tmp_path, variable):
    error = refusal(Access(**{f"{variable.lower()}_file": tmp_path / "khong-co"}))
    assert error.field == f"LOA_NATS_{variable}_FILE"
    assert "khong-co" in error.message and "khong-co" in error.message_vi


def test_expired_credentials_are_told_with_their_time(tmp_path):
    creds = Operator().write_credentials(tmp_path / "user.creds", 60)
    now = datetime.now(UTC)
    Access(creds).check(now)
    error = refusal(Access(creds), now + timedelta(seconds=120))
    assert "expired at 2" in error.message and " ngày " in error.message_vi


def test_a_file_without_a_certificate_is_no_ca(tmp_path):
    assert refusal(Access(ca_file=write(tmp_path / "ca.pem", "?"))).field == "LOA_NATS_CA_FILE"


def test_two_credentials_at_once_are_refused(tmp_path):
    nkey = write(tmp_path / "user.nk", seed())
    assert "LOA_NATS_PASSWORD" in refusal(Access(nkey_file=nkey, password="x")).message


def test_a_password_is_not_in_what_is_printed():
    assert "hunter2" not in repr(Access(password="hunter2"))


@pytest.mark.parametrize(
    ("urls", "shown"),
    [
        ("nats://loa:hunter2@one:4222,tls://loa:hunter2@two", "nats://one:4222,tls://two"),
        ("loa:hunter2@one:4222", "one:4222"),
        ("nats://one:4222,loa:hunter2@two:4222", "nats://one:4222,two:4222"),
        ("nats://one:4222,hunter2@two,three", "nats://one:4222,two,three"),
        ("nats://loa:hun@ter/2@one, tls://loa:hunter2@two", "nats://one, tls://two"),
        ("", ""),
    ],
)
def test_an_address_is_shown_without_its_password(urls, shown):
    assert without_password(urls) == shown


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every file")
def test_a_file_that_may_not_be_read_is_named(tmp_path):
    nkey = write(tmp_path / "user.nk", seed(), 0o000)
    assert "Permission denied" in refusal(Access(nkey_file=nkey)).message
