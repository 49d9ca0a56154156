"""`loa config`: all problems at once, and each value with its origin; nothing starts."""

import json

import pytest

from consumers.app.environment import environment
from consumers.app.settings import LoaSettings
from consumers.app.unknown_variables import PREFIX, known_variables
from contracts.errors import Invalid
from producers.bus_access.key_files import create_seed
from tests.support.cli import InProcessCli, json_output

KEY = "ab" * 32


@pytest.fixture
def shell(tmp_path, monkeypatch):
    """`await shell("check", LOA_X="...")` with no other variables of Loa, in a new folder."""
    for name in environment():
        if name.startswith(PREFIX):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    return InProcessCli({"LOA_DATA_DIR": str(tmp_path / "data")}, ("config",))


def fields(found: list[dict]) -> set[str]:
    return {one["field"] for one in found}


async def test_a_fresh_shell_is_well_and_nothing_is_made(shell, tmp_path):
    run = await shell("check")
    assert run.exit_code == 0, run.output
    assert "can be used" in run.stdout and "dùng được" in run.stdout
    assert list(tmp_path.iterdir()) == []


async def test_every_problem_is_named_at_once_in_both_languages(shell, tmp_path):
    data = tmp_path / "data"
    data.mkdir()
    (data / "vault.key").write_text("not a key")
    (data / "retention.toml").write_text("=")
    (data / "vocabulary.toml").write_text("[units]\nx = 3")
    (data / "roles.toml").write_text("=")
    (data / "working_days.toml").write_text('version = "1"\n[2027]\n')
    (data / "deadlines.toml").write_text("office_ends = 17:00:00")
    (data / "prices.toml").write_text("[email]\neach = -1")
    (data / "report.toml").write_text("[masthead]\nissuers = 'Văn phòng Bộ'")
    (data / "bulletin.toml").write_text("number_line = '{so}'")
    wrong = {
        "LOA_NATS_URL": "http://bus:4222",
        "LOA_HTTP_PORT": "many",
        "LOA_EMAIL_PASSWORD_FILE": "/nowhere/secret",
        "LOA_EMAIL_PORT": "0",
        "LOA_ZALO_CALLBACK_URL": "x",
        "LOA_EMIAL_HOST": "a",
    }
    run = await shell("check", "--json", **wrong)
    answer = json_output(run)
    assert run.exit_code == 2 and not answer["ok"]
    assert fields(answer["errors"]) == set(wrong) - {"LOA_EMIAL_HOST"}
    assert fields(answer["warnings"]) == {"LOA_EMIAL_HOST"}
    assert "LOA_EMAIL_HOST" in answer["warnings"][0]["message"], "the nearest name"
    del wrong["LOA_NATS_URL"], wrong["LOA_HTTP_PORT"]
    said = (await shell("check", **wrong)).stdout
    for name in ("vault.key", "retention", "vocabulary", "roles", *wrong):
        assert f" {name}" in said, name
    entries = ("working_days.toml 2027.source", "deadlines.toml working_days", "email.each")
    entries += ("report.toml masthead.issuers", "bulletin.toml number_line")
    assert all(entry in said for entry in entries), said
    assert said.count("PROBLEM") == said.count("SAI ")


async def test_rules_of_one_or_several_variables_wait_for_no_other_mistake(shell):
    wrong = {
        "LOA_PUBLIC_URL": "tin.bonoivu.gov.vn",
        "LOA_EMAIL_CONNECTIONS": "many",
        "LOA_EMAIL_FROM": "Bộ Nội vụ",
        "LOA_EMAIL_BOUNCE_DOMAIN": "-",
        "LOA_ZALO_CALLS_PER_S": "0",
    }
    assert fields(json_output(await shell("check", "--json", **wrong))["errors"]) == set(wrong)
    relay = {"LOA_EMAIL_HOST": "relay", "LOA_EMAIL_PORT": "many"}
    named = fields(json_output(await shell("check", "--json", **relay))["errors"])
    assert named == {"LOA_EMAIL_PORT", "LOA_EMAIL_FROM"}
    whole = InProcessCli(shell.environ)
    for command in ("up", "status"):
        said = await whole(command, **wrong)
        assert said.exit_code == 2
        assert [name for name in wrong if name not in said.stderr] == [], (command, said.stderr)


@pytest.mark.parametrize(
    ("variables", "named", "code"),
    [
        ({"LOA_ZALO_APP_ID": "1"}, "LOA_ZALO_APP_SECRET", 2),
        ({"LOA_EMAIL_HOST": "h", "LOA_EMAIL_FROM": "a@b.vn", "LOA_EMAIL_USERNAME": "u"},
         "LOA_EMAIL_PASSWORD", 2),
        ({"LOA_EMAIL_HOST": "h", "LOA_EMAIL_FROM": "a@b.vn", "LOA_EMAIL_FALLBACK_HOST": "g",
          "LOA_EMAIL_FALLBACK_USERNAME": "u"}, "LOA_EMAIL_FALLBACK_PASSWORD", 2),
        ({"LOA_ZALO_APP_ID": "1", "LOA_ZALO_APP_SECRET_FILE": "/dev/null"},
         "LOA_ZALO_APP_SECRET_FILE", 2),
        ({"LOA_DESK_HTTP_PORT": "8080"}, "LOA_DESK_HTTP_PORT", 2),
        ({"LOA_DESK_HTTP_HOST": "0.0.0.0"}, "LOA_DESK_URL", 2),
        ({"LOA_OIDC_ISSUER": "https://id.vn"}, "LOA_OIDC_CLIENT_ID", 2),
        ({"LOA_EMAIL_CA_BUNDLE": "/nowhere"}, "LOA_EMAIL_CA_BUNDLE", 2),
        ({"LOA_NATS_URL": "nats://a", "LOA_NATS_NKEY_FILE": "/nowhere"}, "LOA_NATS_NKEY_FILE", 2),
        ({"LOA_NATS_URL": "nats://a"}, "LOA_NATS_URL", 1),
        ({"LOA_NATS_CREDS_FILE": "/x"}, "LOA_NATS_CREDS_FILE", 1),
        ({"LOA_NATS_URL": "nats://a", "LOA_NATS_PORT": "4222"}, "LOA_NATS_PORT", 1),
        ({"LOA_EMAIL_FALLBACK_HOST": "b"}, "LOA_EMAIL_FALLBACK_HOST", 1),
        ({"LOA_PUBLIC_URL": "http://tin.vn"}, "LOA_PUBLIC_URL", 1),
        ({"LOA_PUBLIC_URL": "https://tin.vn"}, "LOA_EMAIL_HOST", 1),
    ],
)  # fmt: skip
async def test_what_can_not_hold_together_or_has_no_effect_is_named(shell, variables, named, code):
    run = await shell("check", "--json", **variables)
    answer = json_output(run)
    assert run.exit_code == code, answer
    assert named in fields(answer["errors" if code == 2 else "warnings"])


async def test_a_secret_that_only_another_service_has_is_not_missed(shell, tmp_path):
    """With a key of its own for the bus, as `admin` in containers, which reports Zalo's limits."""
    key = tmp_path / "admin.nk"
    key.write_bytes(create_seed())
    key.chmod(0o600)
    variables = {"LOA_NATS_URL": "nats://a", "LOA_NATS_NKEY_FILE": str(key), "LOA_ZALO_APP_ID": "1"}
    answer = json_output(await shell("check", "--json", **variables))
    assert answer["errors"] == []
    empty = {"LOA_ZALO_APP_SECRET_FILE": "/dev/null"}
    answer = json_output(await shell("check", "--json", **variables, **empty))
    assert fields(answer["errors"]) == {*empty}, "this service is to have it"


@pytest.mark.parametrize(
    ("variables", "also"),
    [
        ({"LOA_EMAIL_PORT": "abc", "LOA_METRICS_PORT": "8080"}, "LOA_METRICS_PORT"),
        ({"LOA_DESK_URL": "x", "LOA_METRICS_PORT": "8080"}, "LOA_METRICS_PORT"),
        ({"LOA_EMAIL_PORT": "abc", "LOA_ZALO_APP_ID": "1"}, "LOA_ZALO_APP_SECRET"),
        ({"LOA_ZALO_CALLBACK_URL": "x", "LOA_EMAIL_USERNAME": "u"}, "LOA_EMAIL_PASSWORD"),
        ({"LOA_EMAIL_PORT": "abc", "LOA_DESK_HTTP_HOST": "0.0.0.0"}, "LOA_DESK_URL"),
        ({"LOA_HTTP_PORT": "abc", "LOA_OIDC_ISSUER": "https://id.vn"}, "LOA_OIDC_CLIENT_ID"),
        ({"LOA_EMAIL_PORT": "abc", "LOA_PUBLIC_URL": "http://tin.vn"}, "LOA_PUBLIC_URL"),
        ({"LOA_OIDC_ISSUER": "x", "LOA_NATS_URL": "nats://a", "LOA_NATS_PORT": "1"},
         "LOA_NATS_PORT"),
    ],
)  # fmt: skip
async def test_a_wrong_setting_hides_no_problem_of_others(shell, variables, also):
    answer = json_output(await shell("check", "--json", **variables))
    named = fields(answer["errors"]) | fields(answer["warnings"])
    assert {next(iter(variables)), also} <= named


async def test_secrets_that_others_can_read_or_that_are_given_twice_are_named(shell, tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("mật khẩu")
    secret.chmod(0o644)
    (tmp_path / ".env").write_text("LOA_ZALO_OA_SECRET=abc\n")
    given = {"LOA_EMAIL_PASSWORD": "x", "LOA_EMAIL_PASSWORD_FILE": str(secret)}
    answer = json_output(await shell("check", "--json", **given))
    assert {".env", "LOA_EMAIL_PASSWORD", "LOA_EMAIL_PASSWORD_FILE"} <= fields(answer["warnings"])
    secret.chmod(0o600)
    (tmp_path / ".env").chmod(0o600)
    answer = json_output(await shell("check", "--json", **given))
    assert not {".env", "LOA_EMAIL_PASSWORD_FILE"} & fields(answer["warnings"])


async def test_each_value_is_shown_with_its_origin_and_no_secret_at_all(shell, tmp_path):
    (tmp_path / "secret").write_text("kín-một")
    (tmp_path / ".env").write_text("LOA_HTTP_PORT=8081\nloa_http_host=::1\nLOA_EMAIL_HOST=\n")
    given = {
        "LOA_EMAIL_PASSWORD_FILE": str(tmp_path / "secret"),
        "LOA_ZALO_APP_SECRET": "kín-hai",
        "LOA_NATS_URL": "loa:k3n-ba@bus:4222,b:k3n-ba@bus2",
        "LOA_ZALO_CALLBACK_URL": "https://a:k3n-ba@tin.vn/zalo",
        "LOA_EMAIL_FROM": "Bộ Nội vụ <a@b.vn>",
    }
    run = await shell("show", "--json", **given)
    shown = {one["variable"]: one for one in json_output(run)}
    assert len(shown) == len(json_output(run)), "each once"
    assert set(shown) == {one for one in known_variables() if not one.endswith("_FILE")} | {
        one for one in known_variables() if one in shown
    }
    origins = {name: one["origin"] for name, one in shown.items() if one["origin"] != "default"}
    assert origins == {
        "LOA_DATA_DIR": "env", "LOA_HTTP_PORT": ".env", "LOA_HTTP_HOST": ".env",
        "LOA_EMAIL_PASSWORD": "file", "LOA_ZALO_APP_SECRET": "env", "LOA_NATS_URL": "env",
        "LOA_EMAIL_FROM": "env", "LOA_ZALO_CALLBACK_URL": "env",
    }  # fmt: skip
    assert shown["LOA_HTTP_PORT"]["value"] == "8081"
    assert shown["LOA_NATS_URL"]["value"] == "bus:4222,bus2"
    assert shown["LOA_EMAIL_FROM"]["value"] == given["LOA_EMAIL_FROM"]
    assert shown["LOA_EMAIL_PASSWORD"]["file"] == given["LOA_EMAIL_PASSWORD_FILE"]
    assert shown["LOA_EMAIL_HOST"] | {"origin": "default"} == shown["LOA_EMAIL_HOST"]
    changed = await shell("show", "--changed", **given)
    assert {line.split()[0] for line in changed.stdout.splitlines()[1:]} == set(origins)
    for out in (run.output, changed.output):
        assert "kín" not in out and "k3n-ba" not in out
    assert json.loads(json.dumps(shown))[f"{PREFIX}NATS_PASSWORD"]["value"] == ""
    assert LoaSettings.model_fields["http_port"].default == int(shown["LOA_HTTP_PORT"]["default"])


@pytest.mark.parametrize("line", ["{} relay", '{}="relay', "{}: relay", "{}", "export {} relay"])
def test_a_line_of_dotenv_without_a_value_is_told_by_its_number(tmp_path, monkeypatch, line):
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".env").write_text(f"LOA_HTTP_PORT=8081\n{line.format('LOA_EMAIL_HOST')}\n")
    with pytest.raises(Invalid, match=f"line 2 of {tmp_path / '.env'} has") as refused:
        environment()
    assert "relay" not in str(refused.value)


@pytest.mark.parametrize("name", ["LOA_EMAIL_PASSWORD", "loa_email_password_", "LOA_EMIAL_HOST "])
def test_a_secret_without_its_sign_is_not_told(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".env").write_text(f"{name}hunter2")
    with pytest.raises(Invalid, match="line 1 of") as refused:
        environment()
    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize("line", ["FOO", "FOO bar", 'FOO="bar', "export FOO", "hunter2 = = 'x"])
def test_a_foreign_line_of_dotenv_stops_nothing(tmp_path, monkeypatch, caplog, line):
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".env").write_text(f"{line}\nLOA_HTTP_PORT=8081\n")
    assert environment()["LOA_HTTP_PORT"] == "8081"
    assert not caplog.records


@pytest.mark.usefixtures("shell")
async def test_without_a_changed_setting_the_list_says_so_in_both_languages():
    said = await InProcessCli({}, ("config",))("show", "--changed")
    assert said.stdout == "" and said.stderr.splitlines() == [
        "list: every setting has its default",
        "list: mọi thiết lập đều có giá trị mặc định",
    ]
