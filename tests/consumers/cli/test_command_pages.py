"""Common parts of all commands of `loa`: their help pages, options and exit codes."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from typer.core import TyperGroup
from typer.main import get_command
from typer.testing import CliRunner

from consumers.cli.root import app, client_settings
from producers import cli as client
from producers.command_pages import page_of, values_of
from tests.consumers.cli.test_acts import CHANGING, LOOKING
from tests.lint.commands import leaves

EXAMPLES = Path(__file__).parents[3] / "examples"


@pytest.mark.parametrize(
    "words",
    ["retention run", "zalo settle tb-15 --sent", "mail brakes release tb-15", "staff reset an"],
)
def test_what_cant_be_undone_needs_a_yes_without_a_terminal(words, tmp_path):
    answer = CliRunner().invoke(app, words.split(), env={"LOA_DATA_DIR": str(tmp_path)})
    assert (answer.exit_code, answer.stderr.startswith("--yes: ")) == (2, True)
    assert [*tmp_path.iterdir()] == []


@pytest.mark.parametrize("program", [app, client.app])
def test_the_version_is_one_line(program):
    answer = CliRunner().invoke(program, ["--version"])
    assert answer.exit_code == 0
    name, version = answer.stdout.split()
    assert name == "loa" and version[0].isdigit()


@pytest.mark.parametrize("words", [[], ["staff"], ["staff", "add"], ["publish"]])
def test_h_is_help(words):
    short, long = (
        CliRunner().invoke(app, [*words, name], prog_name="loa", env={"LOA_LANGUAGE": "en"})
        for name in ("-h", "--help")
    )
    assert (short.exit_code, short.stdout) == (0, long.stdout)
    assert "Usage: loa" in short.stdout


@pytest.mark.parametrize(
    ("words", "field"),
    [
        ("status --json --xx", "--xx"),
        ("rebuild nowhere --json", "what"),
        ("validate --json no-file.json", "no-file.json"),
    ],
)
def test_under_json_errors_are_the_one_document_on_stdout_and_text_on_stderr(words, field):
    answer = CliRunner().invoke(app, words.split())
    assert answer.exit_code == 2
    [error] = json.loads(answer.stdout)["errors"]
    assert error["field"] == field and error["message"] and error["message_vi"]
    assert len(answer.stderr.splitlines()) == 2, "as without --json"


FAILING = """
import sys
from consumers.cli import audit, main

def fail(_):
    raise RuntimeError("a@moha.example")

audit.output.run_on_bus = fail
sys.argv = ["loa", "audit", "verify", *sys.argv[1:]]
main()
"""


def test_under_json_also_an_unforeseen_failure_is_answered_and_tells_no_values():
    command = [sys.executable, "-c", FAILING]
    for option in (["--json"], []):
        answer = subprocess.run([*command, *option], capture_output=True, text=True, check=False)
        assert answer.returncode == 1
        assert "process_failed" in answer.stderr and "a@moha.example" not in answer.stderr
        errors = json.loads(answer.stdout)["errors"] if option else answer.stdout
        assert [one["field"] for one in errors] == ["loa"] * len(option)


@pytest.mark.parametrize(
    "words",
    ["completion x", "import add u https://a --topic t --channel x", "units add u --notices x"],
)
def test_a_wrong_value_gets_all_that_are_allowed(words):
    [wrong] = [
        values_of(parameter)
        for parameter in parameters(words)
        if words.split()[-2] in (*parameter.opts, words.split()[0])
        if values_of(parameter)
    ]
    said = CliRunner().invoke(app, words.split()).stderr
    assert len(wrong) > 2 and all(value in said for value in wrong)


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        ("rebuild portl", "portal"),
        ("schemas vn.gov.moha.content.submited.v1", "vn.gov.moha.content.submitted.v1"),
        ("zalo templates set apolgy 1", "apology"),
        ("dead list --stage intke", "intake"),
        ("dead replay --stage intke", "intake"),
    ],
)
def test_a_mistyped_word_is_refused_and_the_nearest_is_named(words, meant, tmp_path):
    answer = CliRunner().invoke(app, words.split(), env={"LOA_DATA_DIR": str(tmp_path)})
    assert (answer.exit_code, f"did you mean {meant}?" in answer.stderr) == (2, True), answer.stderr
    assert f"có phải ý là {meant} không?" in answer.stderr


def test_values_with_commas_in_them_are_told_apart():
    said = CliRunner().invoke(app, ["units", "add", "u", "--notices", "zalo,emial"]).stderr
    assert "'zalo,email', 'email,zalo', 'zalo', 'email'" in said
    assert "did you mean zalo,email?" in said


def parameters(words):
    command = get_command(app)
    for word in words.split():
        if isinstance(command, TyperGroup):
            command = command.get_command(None, word)
    return command.params


ARGUMENTS = (
    CHANGING
    | LOOKING
    | {
        "backup": "saved",
        "bus rotate": "gateway",
        "callbacks log": "van-phong-bo aaaa",
        "conformance": "http://127.0.0.1:1 --key loa_van-phong-bo_x",
        "completion": "bash",
        "import check": "no-address",
        "publish": "event.json",
        "report files": "2025",
        "report verify": "2025",
        "restore": "--end-doubt",
        "run": "gateway",
        "staff add": "an --name An --unit van-phong-bo --role bien-tap-vien",
        "staff reset": "an --yes",
        "units bus-keys": "van-phong-bo",
        "units guests": "van-phong-bo",
        "validate": "event.json",
    }
)
PAGES = {" ".join(words): page_of(command) for words, command in leaves()}
SLOW = {"up", "run", "demo", "doctor mail"}
BY_ADDRESS = {"bus verify"}
"""It tries a server that LOA_NATS_URL names."""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The current folder, with the files that `ARGUMENTS` name."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "event.json").write_bytes((EXAMPLES / "first-event.json").read_bytes())
    (tmp_path / "data.json").write_text('{"title": "x"}')
    (tmp_path / "mail.log").touch()
    (tmp_path / "pair.json").write_text('{"access_token": "a", "refresh_token": "r"}')
    for file in ("mended.json", "readers.csv", "a.pdf"):
        (tmp_path / file).touch()
    return tmp_path


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("name", sorted(PAGES.keys() - SLOW - BY_ADDRESS))
def test_without_a_store_commands_on_the_bus_end_with_3_and_no_others(name):
    env = {"LOA_DATA_DIR": "nothing", "LOA_ZALO_APP_ID": "1", "LOA_ZALO_APP_SECRET": "x"}
    words = [*name.split(), *ARGUMENTS.get(name, "").split()]
    answer = CliRunner().invoke(app, words, env=env)
    assert answer.exit_code in PAGES[name].codes
    assert (answer.exit_code == 3) == (3 in PAGES[name].codes), answer.stderr


AS_FINDING = {name for name in PAGES if name.startswith("doctor")} - {"doctor mail"}
WITHOUT_SETTINGS = {"completion", "convert", "schemas"}
VARIABLE = "LOA_LOG_FORMAT"
WRONG = {"LOA_DATA_DIR": "nothing", VARIABLE: "Json"}


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("name", sorted(PAGES.keys() - WITHOUT_SETTINGS - AS_FINDING))
def test_every_command_refuses_a_wrong_setting_by_its_name_and_does_nothing(name, tmp_path):
    before = sorted(tmp_path.iterdir())
    has_json = any("--json" in parameter.opts for parameter in parameters(name))
    for as_json in ([], ["--json"]) if has_json else ([],):
        words = [*name.split(), *ARGUMENTS.get(name, "").split(), *as_json]
        answer = CliRunner().invoke(app, words, obj=client_settings, env=WRONG)
        assert (answer.exit_code, type(answer.exception)) == (2, SystemExit), answer.output
        if as_json:
            assert [one["field"] for one in json.loads(answer.stdout)["errors"]] == [VARIABLE]
        else:
            assert f"{VARIABLE}: must be one of: json, pretty" in answer.output
            assert f"{VARIABLE}: phải là một trong các giá trị: json, pretty" in answer.output
    assert sorted(tmp_path.iterdir()) == before
