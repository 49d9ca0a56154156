"""What all commands of `loa` have in common: their help pages, options and exit codes."""

import json

import pytest
from typer.testing import CliRunner

from consumers.cli.root import app
from producers import cli as client


@pytest.mark.parametrize("program", [app, client.app])
def test_the_version_is_one_line(program):
    answer = CliRunner().invoke(program, ["--version"])
    assert answer.exit_code == 0
    name, version = answer.stdout.split()
    assert name == "loa" and version[0].isdigit()


@pytest.mark.parametrize("words", [[], ["staff"], ["staff", "add"], ["publish"]])
def test_h_is_help(words):
    short, long = (
        CliRunner().invoke(app, [*words, name], prog_name="loa") for name in ("-h", "--help")
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
