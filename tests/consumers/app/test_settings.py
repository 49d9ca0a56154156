"""Settings: what is set to nothing (`LOA_X=${X:-}`) is not set; a wrong one is named."""

import errno
import socket
from pathlib import Path

import pytest

from channels.email.settings import EmailSettings, Tls
from consumers.app import ports
from consumers.app.settings import LoaSettings, read_settings
from consumers.digests.schedule import DigestSchedule
from consumers.messages import load_catalog, translate_os_error
from contracts.errors import Invalid
from producers.bus import BusError, NoReply, UnfitServer
from producers.nats_server import StoreBusy


def empty_all(monkeypatch, tmp_path, prefix, settings):
    monkeypatch.chdir(tmp_path)
    for name in settings.model_fields:
        monkeypatch.setenv(f"{prefix}{name.rstrip('_')}".upper(), "")


def test_loa_takes_its_defaults(monkeypatch, tmp_path):
    empty_all(monkeypatch, tmp_path, "LOA_", LoaSettings)
    settings = read_settings(LoaSettings)
    assert (settings.data_dir, settings.http_port) == (Path("var"), 8080)
    assert settings.nats_creds_file is None
    assert settings.key_file == Path("var/vault.key")


def test_email_takes_its_defaults(monkeypatch, tmp_path):
    empty_all(monkeypatch, tmp_path, "LOA_EMAIL_", EmailSettings)
    settings = read_settings(EmailSettings)
    assert (settings.port, settings.tls, settings.ca_bundle) == (587, Tls.STARTTLS, None)
    assert settings.sender == "thong-bao@loa.example"


def test_a_dotenv_file_may_hold_empty_lines_too(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".env").write_text("LOA_HTTP_PORT=\nLOA_VAULT_KEY_FILE=\nLOA_EMAIL_PORT=\n")
    assert read_settings(LoaSettings).key_file == Path("var/vault.key")
    assert read_settings(EmailSettings).port == 587


def test_a_relay_still_needs_a_sender(monkeypatch, tmp_path):
    empty_all(monkeypatch, tmp_path, "LOA_EMAIL_", EmailSettings)
    monkeypatch.setenv("LOA_EMAIL_HOST", "relay.example")
    with pytest.raises(Invalid, match="LOA_EMAIL_FROM: is missing"):
        read_settings(EmailSettings)


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
        read_settings(LoaSettings)
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
    assert read_settings(LoaSettings).public_url == url


def test_what_is_missing_is_named_itself_and_not_its_group(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LOA_EMAIL_HOST", "relay.example")
    with pytest.raises(Invalid) as refused:
        read_settings(EmailSettings)
    assert [one.field for one in refused.value.errors] == ["LOA_EMAIL_FROM"]


@pytest.mark.parametrize(
    ("settings", "variable", "value", "said"),
    [
        (LoaSettings, "LOA_HTTP_PORT", "tám nghìn", "phải là số nguyên"),
        (LoaSettings, "LOA_HTTP_PORT", "70000", "phải từ 65535 trở xuống"),
        (LoaSettings, "LOA_LOG_FORMAT", "xml", "phải là một trong các giá trị: json, pretty"),
        (LoaSettings, "LOA_PUBLIC_URL", "tin.moha.gov.vn", "không phải địa chỉ web dạng https"),
        (DigestSchedule, "LOA_DIGEST_HOUR", "24", "phải từ 23 trở xuống"),
        (EmailSettings, "LOA_EMAIL_TLS", "ssl", "phải là một trong các giá trị: starttls"),
        (EmailSettings, "LOA_EMAIL_FROM", "Bộ Nội vụ", "không phải địa chỉ thư điện tử"),
        (EmailSettings, "LOA_EMAIL_DKIM_SELECTORS", "a b", "không phải danh sách tên DNS"),
    ],
)
def test_a_wrong_value_is_explained_in_either_language(
    monkeypatch, tmp_path, settings, variable, value, said
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(variable, value)
    with pytest.raises(Invalid) as refused:
        read_settings(settings)
    [fault] = refused.value.errors
    assert (fault.field, fault.message_vi.startswith(said)) == (variable, True), fault.message_vi
    assert fault.message.isascii() and value not in fault.message


def test_a_port_that_is_taken_is_explained_in_either_language():
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(Invalid) as refused:
        ports.require_free_port("LOA_HTTP", *taken.getsockname())
    [fault] = refused.value.errors
    assert "Address already in use" in fault.message
    assert fault.message_vi.endswith(": đang có chương trình khác sử dụng")


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (NoReply("no answer within 30.0 s"), "máy chủ NATS không trả lời"),
        (UnfitServer("too old"), "không đạt yêu cầu"),
        (BusError("odd"), "từ chối yêu cầu"),
        (StoreBusy("another process"), "tiến trình khác"),
        (FileNotFoundError(errno.ENOENT, "No", "a.csv"), "không có tệp hoặc thư mục này: a.csv"),
        (socket.gaierror(socket.EAI_NONAME, "Name or service not known"), "không tìm thấy máy"),
        (OSError("odd"), load_catalog("os_errors")["other"]),
    ],
)  # fmt: skip
def test_trouble_is_told_in_vietnamese_without_its_english(error, said):
    assert said in translate_os_error(error).vi
    assert str(error) == translate_os_error(error).en != translate_os_error(error).vi
