"""The words that a shell completes: commands, options, and their values of today."""

import subprocess
import sys

import pytest

from consumers.cli.word_completion import find_words


def found(line):
    *before, begun = line.split(" ")
    return list(find_words(before, begun))


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("sta", ["status", "staff"]),
        ("--v", ["--version"]),
        ("pause ", ["portal", "email", "zalo"]),
        ("pause e", ["email"]),
        ("pause email --re", ["--reason"]),
        ("pause email --reason ", []),
        ("pause --reason why z", ["zalo"]),
        ("mail suppressed s", ["show"]),
        ("units add x --release d", ["desk"]),
        ("units add x --release = d", ["desk"]),
        ("units add x --release =", ["automatic", "desk"]),
        ("units add x --release=d", ["--release=desk"]),
        ("subscribers list --state ", ["active", "paused", "left", "unknown"]),
        ("subscribers count --channel ", ["email", "zalo"]),
        ("subscribers export --all --state p", ["paused"]),
        ("units add x --release=desk --urg", ["--urgent"]),
        ("zalo settle x --no", ["--not-sent"]),
        ("run gateway deliver-e", ["deliver-email"]),
        ("backup ", []),
        ("no-such-command ", []),
        ("status --no-such-option --j", ["--json"]),
    ],
)
def test_what_fits_is_found(line, words):
    assert found(line) == words


def test_topics_units_and_roles_are_those_of_the_data_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("LOA_DATA_DIR", str(tmp_path))
    assert "viec-lam" in found("items list --topic ")
    assert "van-phong-bo" in found("units rotate van")
    assert "bien-tap-vien" in found("staff roles an --role ")
    (tmp_path / "vocabulary.toml").write_text("[topics.y-te]\nname = 'Y tế'\n")
    assert found("items list --topic ") == ["y-te"]
    (tmp_path / "vocabulary.toml").write_text("")
    assert "viec-lam" in found("items list --topic v"), "an empty file is none"


def test_a_broken_file_of_the_operator_leaves_the_shell_alone(tmp_path, monkeypatch):
    monkeypatch.setenv("LOA_DATA_DIR", str(tmp_path))
    (tmp_path / "roles.toml").write_text("[roles")
    assert "bien-tap-vien" in found("staff roles an --role ")


def test_a_shell_waits_for_no_library():
    code = "import sys; from consumers.cli import main; sys.argv = ['loa', 'pau']; main()"
    command = [sys.executable, "-c", f"{code}; print(*sys.modules)"]
    run = subprocess.run(command, env={"_LOA_COMPLETE": "bash"}, capture_output=True, text=True)
    word, modules = run.stdout.splitlines()
    assert word == "pause"
    assert not {"typer", "pydantic", "asyncio", "consumers.cli.root"} & set(modules.split())
