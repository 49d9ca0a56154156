"""Each act of the desk's pages has a command, which does it by the same code."""

from tests.lint import desk_commands
from tests.lint.commands import ROOT_COMMAND, words
from tests.lint.test_commands import exists


def test_each_act_of_the_pages_has_a_command_or_a_reason():
    paths = {route.path for route in desk_commands.acts()}
    assert paths == desk_commands.COMMANDS.keys() | desk_commands.WITHOUT_COMMAND.keys()
    assert not desk_commands.COMMANDS.keys() & desk_commands.WITHOUT_COMMAND.keys()
    tree = words(ROOT_COMMAND)
    assert [one for one in desk_commands.COMMANDS.values() if not exists(tree, one)] == []


def test_the_table_of_commands_is_up_to_date():
    assert desk_commands.PAGE.read_text("utf-8") == desk_commands.page()
