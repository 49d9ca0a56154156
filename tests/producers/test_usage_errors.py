"""A command's wrong words: each is named, in both languages, with exit code 2."""

import pytest
from typer.testing import CliRunner

from consumers.cli.root import app
from producers import cli as client
from producers.texts import catalog
from producers.usage_errors import KNOWN_MESSAGES

WRONG = [
    ("staff add X", "--name", "is missing", "còn thiếu"),
    ("pause", "channel", "is missing", "còn thiếu"),
    ("publish", "file", "is missing", "còn thiếu"),
    ("dead edit 1 nofile.json --by X", "file", "does not exist", "không có nofile.json"),
    ("dead edit 1 / --by X", "file", "/ is a folder", "/ là thư mục"),
    ("dead show abc", "id", "whole number", "số nguyên"),
    ("up --port x", "--port", "whole number", "số nguyên"),
    ("units add van-phong-bo --release x", "--release", "automatic, desk", "automatic, desk"),
    ("pause emial", "channel", "did you mean email?", "có phải ý là email không?"),
    ("run gatway", "service", "did you mean gateway?", "có phải ý là gateway không?"),
    ("items list --state relased", "--state", "mean released?", "có phải ý là released không?"),
    ("subscribers list --state gone", "--state", "active, paused, left, unknown", "active,"),
    ("subscribers count --channel portal", "--channel", "email, zalo", "email, zalo"),
    ("status --xx", "--xx", "has no such option", "không có tùy chọn này"),
    ("--xx", "--xx", "has no such option", "không có tùy chọn này"),
    ("validate --unti a b", "--unti", "is --unit meant?", "có phải ý là --unit không?"),
    ("status --json=1", "--json", "takes no value", "không có giá trị đi kèm; hãy bỏ giá trị"),
    ("pause email --reason", "--reason", "needs a value", "phải có giá trị"),
    ("list", "command", "has no command list", "không có lệnh list"),
    ("statsu", "command", "is status meant?", "có phải ý là status không?"),
    ("mail suppressed sow", "command", "is show meant?", "có phải ý là show không?"),
    ("status a b", "command", "what to do with: a b", "thừa phần: a b"),
    ("restore", "folder", "a backup's folder", "thư mục sao lưu"),
    ("restore DIR --end-doubt", "folder", "a backup's folder", "thư mục sao lưu"),
]


@pytest.mark.parametrize(("words", "field", "english", "vietnamese"), WRONG)
def test_a_wrong_word_is_named_in_both_languages(words, field, english, vietnamese):
    answer = CliRunner().invoke(app, words.split())
    assert (answer.exit_code, answer.stdout) == (2, "")
    first, second = answer.stderr.splitlines()
    assert first.startswith(f"{field}: ") and english in first
    assert second.startswith(f"{field}: ") and vietnamese in second


def test_the_clients_own_command_answers_the_same_way():
    answer = CliRunner().invoke(client.app, ["validat"])
    assert answer.exit_code == 2
    first, second = answer.stderr.splitlines()
    assert "is validate meant?" in first and "có phải ý là validate không?" in second


def test_a_wrong_word_cant_steer_the_terminal():
    answer = CliRunner().invoke(app, ["status", "a\x1b[31mb\nc"])
    assert "\x1b" not in answer.stderr
    assert len(answer.stderr.splitlines()) == 2


def test_whoever_asks_for_nothing_gets_the_help():
    answer = CliRunner().invoke(app, ["desk"])
    assert answer.exit_code == 2
    assert "Usage:" in answer.output


def test_every_text_that_may_be_told_exists():
    texts = catalog()["usage"]
    assert {code for _, code in KNOWN_MESSAGES} < set(texts)
