"""Cells of tables, as people read them."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from consumers.cli.output import cell_text, print_table


@pytest.mark.parametrize(
    ("cell", "text"),
    [
        (True, "yes"),
        (False, "no"),
        (None, ""),
        ({}, ""),
        ([], ""),
        ((), ""),
        (0, "0"),
        ({"full": True, "other": 2}, "full yes, other 2"),
        (["portal", "email"], "portal, email"),
        (datetime(2026, 11, 26, 20, 30, 5, 999, UTC), "2026-11-27 03:30:05+07"),
        (datetime(2026, 11, 26, tzinfo=timezone(timedelta(hours=9))), "2026-11-25 22:00:00+07"),
    ],
)
def test_a_cell_is_words_and_vietnams_time(cell, text, capsys):
    assert cell_text(cell) == text
    print_table(("cell",), [(cell,)])
    assert capsys.readouterr().out.splitlines()[1].strip() == text


def test_a_shown_time_is_read_back_as_the_same_moment():
    moment = datetime(2026, 11, 26, 20, 30, 5, tzinfo=UTC)
    assert datetime.fromisoformat(cell_text(moment)) == moment


def test_in_a_pipe_a_line_ends_with_its_text(capsys):
    print_table(("what", "detail"), [("a", "x" * 300), ("b", "short")])
    assert [line for line in capsys.readouterr().out.splitlines() if line != line.rstrip()] == []


def test_of_an_empty_table_only_stderr_tells_in_both_languages(capsys):
    print_table(("what", "detail"), iter(()))
    said = capsys.readouterr()
    assert (said.out, len(said.err.splitlines())) == ("", 2)
