"""`loa convert`: Markdown on stdout, what was lost on stderr, exit codes."""

import json

import pytest
from typer.testing import CliRunner

from consumers.cli.root import app
from tests.support.word_documents import paragraph, run, with_body

DOCUMENT = with_body(paragraph(run("Thông báo "), run("số 1", '<w:u w:val="single"/>')))


def loa(*words: str, stdin: bytes = b""):
    return CliRunner().invoke(app, ["convert", *words], input=stdin)


@pytest.fixture
def file(tmp_path) -> str:
    path = tmp_path / "thong-bao.docx"
    path.write_bytes(DOCUMENT)
    return str(path)


def test_the_markdown_alone_is_on_stdout(file):
    ended = loa(file)
    assert (ended.exit_code, ended.stdout) == (0, "Thông báo số 1\n")
    english, vietnamese = ended.stderr.splitlines()
    assert english.startswith(f"{file}: underlined words (1)")
    assert vietnamese.startswith(f"{file}: gạch chân, 1 chỗ")


def test_json_counts_the_losses(file):
    answer = json.loads(loa(file, "--json").stdout)
    assert answer == {"markdown": "Thông báo số 1\n", "lost": {"underline": 1}}


def test_a_dash_reads_the_input():
    assert loa("-", stdin=DOCUMENT).stdout == "Thông báo số 1\n"


@pytest.mark.parametrize("words", [(), ("--json",)])
def test_what_is_no_document_is_wrong_input(tmp_path, words):
    path = tmp_path / "x.docx"
    path.write_text("x")
    ended = loa(str(path), *words)
    assert ended.exit_code == 2
    assert ended.stderr.count(f"{path}: ") == 2


def test_a_file_that_is_not_there_is_wrong_input(tmp_path):
    assert loa(str(tmp_path / "x.docx")).exit_code == 2
