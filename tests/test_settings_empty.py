"""A variable that is set to nothing is not set: compose files write `LOA_X=${X:-}`."""

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
