"""Settings: what is set to nothing (`LOA_X=${X:-}`) is not set; a wrong one is named."""

from pathlib import Path

import pytest

from channels.email.settings import EmailSettings, Tls
from consumers.app.settings import LoaSettings, read
from contracts.errors import Invalid


def empty_all(monkeypatch, tmp_path, prefix, settings):
    monkeypatch.chdir(tmp_path)
    for name in settings.model_fields:
        monkeypatch.setenv(f"{prefix}{name.rstrip('_')}".upper(), "")


def test_loa_takes_its_defaults(monkeypatch, tmp_path):
    empty_all(monkeypatch, tmp_path, "LOA_", LoaSettings)
    settings = read(LoaSettings)
    assert (settings.data_dir, settings.http_port) == (Path("var"), 8080)
    assert settings.nats_creds_file is None
    assert settings.key_file == Path("var/vault.key")


def test_email_takes_its_defaults(monkeypatch, tmp_path):
    empty_all(monkeypatch, tmp_path, "LOA_EMAIL_", EmailSettings)
    settings = read(EmailSettings)
    assert (settings.port, settings.tls, settings.ca_bundle) == (587, Tls.STARTTLS, None)
    assert settings.sender == "thong-bao@loa.example"


def test_a_dotenv_file_may_hold_empty_lines_too(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".env").write_text("LOA_HTTP_PORT=\nLOA_VAULT_KEY_FILE=\nLOA_EMAIL_PORT=\n")
    assert read(LoaSettings).key_file == Path("var/vault.key")
    assert read(EmailSettings).port == 587


def test_a_relay_still_needs_a_sender(monkeypatch, tmp_path):
    empty_all(monkeypatch, tmp_path, "LOA_EMAIL_", EmailSettings)
    monkeypatch.setenv("LOA_EMAIL_HOST", "relay.example")
    with pytest.raises(Invalid, match="LOA_EMAIL_FROM is missing"):
        read(EmailSettings)


@pytest.mark.parametrize(
    "url",
    [
        "tin.moha.gov.vn", "//tin.moha.gov.vn", "ftp://tin.moha.gov.vn", "https://", "https:///tin",
        "https://tin.moha.gov.vn/?a=b", "https://tin.moha.gov.vn/#a", "https://a b.vn",
    ],
)  # fmt: skip
def test_a_public_address_that_no_link_can_begin_with_is_refused(monkeypatch, tmp_path, url):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LOA_PUBLIC_URL", url)
    with pytest.raises(Invalid) as refused:
        read(LoaSettings)
    [fault] = refused.value.errors
    assert fault.field == "LOA_PUBLIC_URL"
    assert "https://tin.example.gov.vn" in fault.message
    assert "Value error" not in fault.message_vi


@pytest.mark.parametrize(
    "url", ["https://tin.moha.gov.vn", "http://[::1]:8080/", "https://moha.gov.vn/tin/"]
)
def test_a_public_address_may_have_a_port_and_a_path(monkeypatch, tmp_path, url):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LOA_PUBLIC_URL", url)
    assert read(LoaSettings).public_url == url


def test_what_is_missing_is_named_itself_and_not_its_group(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LOA_EMAIL_HOST", "relay.example")
    with pytest.raises(Invalid) as refused:
        read(EmailSettings)
    assert [one.field for one in refused.value.errors] == ["LOA_EMAIL_FROM"]
