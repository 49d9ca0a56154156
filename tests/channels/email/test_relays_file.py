"""The file of relays: a mistake is told by file, relay and field, in English and Vietnamese."""

import pytest

from channels.email.relays import load_relays
from channels.email.settings import EmailSettings
from contracts.errors import Invalid

FILE = "LOA_EMAIL_RELAYS_FILE"
A = f"{FILE}.relays.a"
HOST = '[relays.a]\nhost = "relay.example"\n'
FAULTS = {
    "no TOML": ("[relays.a\n", FILE, "is not valid TOML: ", "không phải TOML hợp lệ: "),
    "no relay": ("[relays]\n", f"{FILE}.relays", "must not be empty", "không được để trống"),
    "no host": ("[relays.a]\nport = 25\n", f"{A}.host", "is required", "là trường bắt buộc"),
    "a port that is none": (
        f"{HOST}port = 0\n",
        f"{A}.port",
        "must be 1 or more",
        "phải từ 1 trở lên",
    ),
    "a kind of TLS that is none": (f'{HOST}tls = "ssl"\n', f"{A}.tls", "starttls", "starttls"),
    "a mistyped key": (f"{HOST}wieght = 1\n", f"{A}.wieght", ", weight, ", "các khóa hợp lệ: "),
    "a mistyped table": (f"{HOST}[relay.b]\n", f"{FILE}.relay", "known: relays", ": relays"),
    "a negative weight": (
        f"{HOST}weight = -1\n",
        f"{A}.weight",
        "must be 0 or more",
        "phải từ 0 trở lên",
    ),
    "no connection": (f"{HOST}connections = 0\n", f"{A}.connections", "1 or more", "từ 1"),
    "no rate": (f"{HOST}mails_per_s = 0\n", f"{A}.mails_per_s", "1.0 or more", "từ 1.0"),
    "no connection of a domain": (
        f"{HOST}connections_per_domain = 0\n",
        *(f"{A}.connections_per_domain", "1 or more", "từ 1"),
    ),
    "a name that is no id": (
        '[relays."Hà Nội"]\nhost = "a"\n',
        *(f"{FILE}.relays.Hà Nội", "not an id", "không phải mã"),
    ),
    "a password in the clear": (
        f'{HOST}username = "loa"\ntls = "none"\n',
        *(A, "password in the clear", "không mã hóa"),
    ),
    "a key alone": (
        f'{HOST}client_key = "/k"\n',
        *(A, "without a client_certificate", "thiếu client_certificate"),
    ),
    "no password": (
        f'{HOST}username = "loa"\n',
        *(f"{A}.password_file", "missing or empty", "chưa có hoặc tệp rỗng"),
    ),
    "a password file that is away": (
        f'{HOST}username = "loa"\npassword_file = "/no/such/file"\n',
        *(f"{A}.password_file", "can't be read: No such file", "không đọc được tệp: "),
    ),
    "an empty password file": (
        f'{HOST}username = "loa"\npassword_file = "/dev/null"\n',
        *(f"{A}.password_file", "missing or empty", "chưa có hoặc tệp rỗng"),
    ),
}


def faults_of(path) -> list:
    settings = EmailSettings(from_="a@moha.example", relays_file=path)
    with pytest.raises(Invalid) as told:
        load_relays(settings)
    return list(told.value.errors)


@pytest.mark.parametrize(("text", "field", "english", "vietnamese"), FAULTS.values(), ids=FAULTS)
def test_a_mistake_in_the_file_is_told_by_file_relay_and_field(
    tmp_path, text, field, english, vietnamese
):
    path = tmp_path / "relays.toml"
    path.write_text(text)
    [fault] = faults_of(path)
    assert fault.field == field
    assert english in fault.message and vietnamese in fault.message_vi


def test_a_file_that_is_away_or_no_text_is_told(tmp_path):
    broken = tmp_path / "relays.toml"
    broken.write_bytes(b"\xff")
    for path, why in ((tmp_path / "away.toml", "No such file"), (broken, "not UTF-8")):
        [fault] = faults_of(path)
        assert fault.field == FILE
        assert why in fault.message and "không đọc được tệp" in fault.message_vi


def test_every_mistake_of_every_relay_is_told_at_once(tmp_path):
    path = tmp_path / "relays.toml"
    path.write_text(f'{HOST}port = 0\nweight = 1001\n[relays.b]\nhost = ""\n')
    fields = [fault.field for fault in faults_of(path)]
    assert fields == [f"{A}.port", f"{A}.weight", f"{FILE}.relays.b.host"]
