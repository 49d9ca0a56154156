"""Settings: what is set to nothing (`LOA_X=${X:-}`) is not set; a wrong one is named."""

import errno
import socket
from pathlib import Path

import pytest

from channels.email.settings import EmailSettings, Tls
from consumers.app.settings import LoaSettings, TracingSettings, read_settings
from consumers.channel_health.canary.settings import CanarySettings
from consumers.digests.schedule import DigestSchedule
from consumers.messages import load_catalog, translate_os_error
from contracts.errors import Invalid
from producers.bus import BusError, NoReply, UnfitServer
from producers.errors import StoreBusy


@pytest.fixture(autouse=True)
def folder(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("place", ["environment", ".env"])
def test_an_empty_variable_is_not_set(monkeypatch, folder, place):
    names = [f"LOA_{name}" for name in LoaSettings.model_fields]
    names += [f"LOA_EMAIL_{name}" for name in EmailSettings.model_fields]
    names = [name.rstrip("_").upper() for name in names]
    if place == ".env":
        (folder / ".env").write_text("".join(f"{name}=\n" for name in names))
    else:
        for name in names:
            monkeypatch.setenv(name, "")
    settings, email = read_settings(LoaSettings), read_settings(EmailSettings)
    assert (settings.data_dir, settings.http_port) == (Path("var"), 8080)
    assert (settings.nats_creds_file, settings.key_file) == (None, Path("var/vault.key"))
    assert (email.port, email.tls, email.ca_bundle) == (587, Tls.STARTTLS, None)
    assert email.sender == "thong-bao@loa.example"
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
def test_a_public_address_that_no_link_can_begin_with_is_refused(monkeypatch, url):
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
def test_a_public_address_may_have_a_port_and_a_path(monkeypatch, url):
    monkeypatch.setenv("LOA_PUBLIC_URL", url)
    assert read_settings(LoaSettings).public_url == url


@pytest.mark.parametrize(
    "url",
    [
        "http://x",
        "nats://",
        "https://bus:4222",
        "nats://bus:port",
        "nats://a,",
        "nats://a,http://b",
    ],
)
def test_an_address_that_is_no_nats_servers_is_refused_by_name(monkeypatch, url):
    monkeypatch.setenv("LOA_NATS_URL", url)
    with pytest.raises(Invalid, match="LOA_NATS_URL: is not an address like nats://"):
        read_settings(LoaSettings)


def test_tags_of_servers_are_named_by_a_list(monkeypatch):
    monkeypatch.setenv("LOA_NATS_PLACEMENT_TAGS", "disk:ssd, dc:hanoi")
    assert read_settings(LoaSettings).placement_tags == ["dc:hanoi", "disk:ssd"]
    monkeypatch.setenv("LOA_NATS_PLACEMENT_TAGS", "dc hanoi")
    with pytest.raises(Invalid, match="LOA_NATS_PLACEMENT_TAGS: is not a list of server tags"):
        read_settings(LoaSettings)


@pytest.mark.parametrize(("replicas", "is_taken"), [("1", True), ("2", False), ("3", True)])
def test_replicas_are_those_of_which_a_majority_can_answer(monkeypatch, replicas, is_taken):
    monkeypatch.setenv("LOA_NATS_REPLICAS", replicas)
    if is_taken:
        assert read_settings(LoaSettings).nats_replicas == int(replicas)
        return
    with pytest.raises(Invalid, match="LOA_NATS_REPLICAS: must be 1, 3 or 5"):
        read_settings(LoaSettings)


@pytest.mark.parametrize(
    "url", ["nats://bus:4222", "tls://bus", "bus:4222", "nats://loa:x@[::1]:4222, nats://b:4222"]
)
def test_addresses_of_nats_servers_are_taken(monkeypatch, url):
    monkeypatch.setenv("LOA_NATS_URL", url)
    assert read_settings(LoaSettings).nats_url == url


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "No such file or directory"),
        (b"\xff\xfe secret", "not UTF-8 text"),
    ],
)
def test_a_secret_file_that_cannot_be_read_is_named_by_its_variable(
    monkeypatch, folder, content, said
):
    if content:
        (folder / "secret").write_bytes(content)
    monkeypatch.setenv("LOA_EMAIL_PASSWORD_FILE", "secret")
    monkeypatch.setenv("LOA_EMAIL_FALLBACK_PASSWORD_FILE", "another")
    with pytest.raises(Invalid) as refused:
        read_settings(EmailSettings)
    names = [one.field for one in refused.value.errors]
    assert names == ["LOA_EMAIL_PASSWORD_FILE", "LOA_EMAIL_FALLBACK_PASSWORD_FILE"]
    assert said in refused.value.errors[0].message
    assert refused.value.errors[0].message_vi.count("secret") == 1


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
def test_a_wrong_value_is_explained_in_both_languages(monkeypatch, settings, variable, value, said):
    monkeypatch.setenv(variable, value)
    with pytest.raises(Invalid) as refused:
        read_settings(settings)
    [fault] = refused.value.errors
    assert (fault.field, fault.message_vi.startswith(said)) == (variable, True), fault.message_vi
    assert fault.message.isascii() and value not in fault.message


@pytest.mark.parametrize(
    ("settings", "variable", "value", "meant"),
    [
        (EmailSettings, "LOA_EMAIL_TLS", "startls", "starttls"),
        (LoaSettings, "LOA_LOG_FORMAT", "jsn", "json"),
        (LoaSettings, "LOA_STAND_INS", "mailbx,zalo-sandbox", "mailbox"),
    ],
)
def test_a_mistyped_value_gets_the_nearest(monkeypatch, settings, variable, value, meant):
    monkeypatch.setenv(variable, value)
    with pytest.raises(Invalid) as refused:
        read_settings(settings)
    [fault] = refused.value.errors
    assert fault.message.endswith(f"did you mean {meant}?")
    assert fault.message_vi.endswith(f"có phải ý là {meant} không?")


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


@pytest.mark.parametrize("path", [f"/{'x' * 300}/{'x' * 300}", "y/" * 300])
def test_a_data_folder_whose_databases_cannot_be_opened_is_refused(monkeypatch, path):
    monkeypatch.setenv("LOA_DATA_DIR", path)
    with pytest.raises(Invalid, match="LOA_DATA_DIR: is too long a path: at most 470 bytes"):
        read_settings(LoaSettings)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("EXPORTER_OTLP_ENDPOINT", "collector:4318"),
        ("EXPORTER_OTLP_TRACES_ENDPOINT", "http://user:s3cret@collector"),
        ("EXPORTER_OTLP_HEADERS", "s3cret"),
        ("EXPORTER_OTLP_HEADERS", "a=1,authorization=s3cret%0d%0a"),
        ("TRACES_SAMPLER_ARG", "1.5"),
    ],
)
def test_a_wrong_setting_of_traces_is_named_and_not_repeated(monkeypatch, name, value):
    monkeypatch.setenv(f"OTEL_{name}", value)
    with pytest.raises(Invalid) as refused:
        read_settings(TracingSettings)
    [fault] = refused.value.errors
    assert fault.field == f"OTEL_{name}"
    assert "s3cret" not in f"{fault.message}{fault.message_vi}"


def test_traces_go_to_the_collectors_address_with_its_headers(monkeypatch, folder):
    assert read_settings(TracingSettings).traces_url == ""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "https://collector.example:4318/otlp/")
    (folder / "headers").write_text("authorization=Bearer%20abc== , x-team = loa\n")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS_FILE", str(folder / "headers"))
    settings = read_settings(TracingSettings)
    assert settings.traces_url == "https://collector.example:4318/otlp/v1/traces"
    assert settings.headers == {"authorization": "Bearer abc==", "x-team": "loa"}
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://other.example/t")
    assert read_settings(TracingSettings).traces_url == "http://other.example/t"
    monkeypatch.setenv("OTEL_SDK_DISABLED", "true")
    assert read_settings(TracingSettings).traces_url == ""


def test_an_unknown_channel_of_canaries_is_refused_by_its_variable_with_the_known_ones(monkeypatch):
    monkeypatch.setenv("LOA_CANARY_CHANNELS", "portal, mail")
    with pytest.raises(Invalid) as refused:
        read_settings(CanarySettings)
    [fault] = refused.value.errors
    assert fault.field == "LOA_CANARY_CHANNELS"
    for said in (fault.message, fault.message_vi):
        assert "portal, email, zalo" in said and "mail" in said and "ChannelName" not in said
