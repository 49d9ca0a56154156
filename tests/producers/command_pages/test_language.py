"""Who gets help in Vietnamese, and that its pages change nothing but their words."""

import pytest
from typer import rich_utils
from typer.testing import CliRunner

from consumers.cli.root import app
from producers import cli as client
from producers.command_pages.language import prefers_vietnamese

NO_LOCALE = {"LOA_LANGUAGE": None, "LC_ALL": None, "LC_MESSAGES": None, "LANG": None}


def help_page(program, *words, **variables):
    answer = CliRunner().invoke(
        program, [*words, "--help"], env=NO_LOCALE | variables, prog_name="loa"
    )
    assert answer.exit_code == 0
    return answer.stdout


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({}, False),
        ({"LANG": "vi_VN.UTF-8"}, True),
        ({"LANG": "vi"}, True),
        ({"LANG": "vie_XX"}, False),
        ({"LANG": "C.UTF-8", "LC_MESSAGES": "vi_VN"}, True),
        ({"LANG": "vi_VN.UTF-8", "LC_ALL": "en_US.UTF-8"}, False),
        ({"LANG": "vi_VN.UTF-8", "LC_ALL": ""}, True),
        ({"LOA_LANGUAGE": "vi", "LC_ALL": "C"}, True),
        ({"LOA_LANGUAGE": "en", "LANG": "vi_VN.UTF-8"}, False),
        ({"LOA_LANGUAGE": "", "LANG": "vi_VN.UTF-8"}, True),
        ({"LOA_LANGUAGE": None}, False),
    ],
)
def test_the_variable_chooses_and_else_the_locale(variables, expected):
    assert prefers_vietnamese(variables) is expected


@pytest.mark.parametrize("program", [app, client.app])
@pytest.mark.parametrize("words", [(), ("publish",)])
def test_help_is_vietnamese_by_locale_and_english_again_without(program, words):
    before = help_page(program, *words)
    vietnamese = help_page(program, *words, LANG="vi_VN.UTF-8")
    assert vietnamese.strip().startswith(f"Cách dùng: {' '.join(('loa', *words))} [TÙY CHỌN]")
    assert "Hiện hướng dẫn này rồi thoát." in vietnamese
    assert help_page(program, *words) == before
    assert rich_utils.OPTIONS_PANEL_TITLE == "Options"


def test_a_group_lists_its_commands_in_vietnamese():
    page = help_page(app, "units", LOA_LANGUAGE="vi")
    assert "Thu hồi mọi khóa của một đơn vị." in page and "Revoke" not in page


def test_an_error_is_in_the_language_of_its_reader_first():
    def lines(**variables):
        answer = CliRunner().invoke(app, ["trace"], env=NO_LOCALE | variables, prog_name="loa")
        assert answer.exit_code == 2
        return answer.stderr.splitlines()

    english, vietnamese = lines()
    assert lines(LOA_LANGUAGE="vi") == [vietnamese, english] != lines()


def test_dotenv_chooses_and_one_that_cant_be_read_takes_no_help_away(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".env").write_text("LOA_LANGUAGE=vi\n")
    assert "Cách dùng: loa [TÙY CHỌN]" in help_page(app)
    (tmp_path / ".env").write_bytes(b"LOA_LANGUAGE=\xff\n")
    assert "Usage: loa [OPTIONS]" in help_page(app)
    assert "Usage: loa status [OPTIONS]" in help_page(app, "status")
