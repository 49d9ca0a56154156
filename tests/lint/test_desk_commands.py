"""Each act and each page of the desk has a command, which does it by the same code."""

import pytest

from tests.lint import desk_commands
from tests.lint.commands import ROOT_COMMAND, words
from tests.lint.test_commands import exists


@pytest.mark.parametrize(
    ("routes", "commands", "reasons"),
    [
        (desk_commands.acts(), desk_commands.COMMANDS, desk_commands.WITHOUT_COMMAND),
        (desk_commands.pages(), desk_commands.PAGES, desk_commands.WITHOUT_SHOWING),
    ],
    ids=["acts", "pages"],
)
def test_each_has_a_command_or_a_reason(routes, commands, reasons):
    assert {route.path for route in routes} == commands.keys() | reasons.keys()
    assert not commands.keys() & reasons.keys()
    tree = words(ROOT_COMMAND)
    assert [one for one in commands.values() if not exists(tree, one)] == []


def test_the_table_of_commands_is_up_to_date():
    assert desk_commands.PAGE.read_text("utf-8") == desk_commands.page()
