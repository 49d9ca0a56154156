"""Every command keeps to the form of all: a page, `-h`, exit codes, JSON for scripts."""

import re

import pytest

from producers.command_pages import page_of
from tests.lint.commands import (
    ROOT_COMMAND,
    SCHEMAS,
    all_commands,
    files,
    leaves,
    schemas,
    sentence,
    words,
)
from tests.lint.sources import PRODUCT, ROOT

COMMANDS = {" ".join(words): command for words, command in leaves()}
WITHOUT_JSON = {
    "up": "runs until it is stopped, and logs",
    "run": "runs until it is stopped, and logs",
    "demo": "tells a person a story",
    "completion": "prints a script",
    "audit export": "prints JSON Lines always",
}


def test_what_is_made_from_the_commands_is_up_to_date():
    """`python -m tests.lint.commands` writes it."""
    assert [str(path) for path, text in files().items() if read(path) != text] == []
    assert {path.name for path in SCHEMAS.iterdir()} == schemas().keys()


def read(path):
    return path.read_text("utf-8") if path.exists() else ""


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_has_exit_codes_and_json_or_a_reason(name):
    page, options = page_of(COMMANDS[name]), {o for p in COMMANDS[name].params for o in p.opts}
    assert page is not None, "declare it by @page"
    assert {0, 2} <= page.codes.keys() <= set(range(5))
    assert ("--json" in options) == (name not in WITHOUT_JSON)
    assert page.answer is not None or name in WITHOUT_JSON, "declare the model of its answer"
    assert "xit code" not in COMMANDS[name].help, "the page shows them"


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_that_needs_a_value_shows_a_call(name):
    examples = page_of(COMMANDS[name]).examples
    needed = [one for one in COMMANDS[name].params if one.required]
    assert examples or not needed
    assert all(f"loa {name} " in f"{one} " for one in examples)


def test_every_help_is_a_sentence_in_the_imperative():
    """No noun, no question, no third person: what the command does, with a full stop."""
    wrong = {
        " ".join(words): sentence(command)
        for words, command in all_commands()
        if not sentence(command).endswith(".")
        or sentence(command).split()[0].rstrip(",").endswith(("s", "ing"))
        or sentence(command).split()[0] in {"The", "A", "Every", "Each", "All", "Will", "Is"}
    }
    assert wrong == {}


def test_every_option_and_argument_says_what_it_is():
    unsaid = [
        f"{' '.join(words)} {parameter.name}"
        for words, command in leaves()
        for parameter in command.params
        if not parameter.help
    ]
    assert unsaid == []


def test_what_cant_be_undone_asks_first():
    """`restore` before another key, `units bus-key` before a revocation. An order that names its
    letters or its reason, and can be given again, asks nothing: `dead replay`, `dead discard`,
    `desk reject`."""
    asking = {name for name, one in COMMANDS.items() if any("--yes" in p.opts for p in one.params)}
    lasting = {"withdraw", "dead edit", "subscribers remove", "audit accept"}
    lasting |= {"retention run", "zalo settle", "mail brakes release", "staff reset"}
    assert asking == lasting | {"restore", "units revoke", "units bus-key"}
    told = (ROOT / "docs" / "operations.md").read_text("utf-8")
    [line] = [line for line in told.splitlines() if line.startswith("What can't be undone asks")]
    named = re.findall(r"`loa ([a-z -]+?)(?: --[a-z-]+)?`", line)
    assert sorted(named) == sorted(asking)


def test_texts_name_commands_that_exist():
    """A remedy that does not exist helps no operator; `test_documents` reads the documents."""
    tree = words(ROOT_COMMAND)
    named = [
        (path.relative_to(ROOT).as_posix(), line)
        for package in PRODUCT
        for path in (ROOT / package).rglob("*.toml")
        for line in re.findall(r"`loa ([^`{]+)", path.read_text("utf-8"))
    ]
    assert len(named) > 100
    assert [(path, line) for path, line in named if not exists(tree, line)] == []


def exists(tree, line):
    """Whether each command and each option of *line* is one; `list|count` are two."""
    for word in line.replace("[", " ").replace("]", " ").split():
        if word.startswith("--"):
            if word.partition("=")[0] not in {"--help", *tree.get("options", ())}:
                return False
        elif "commands" in tree and not word.startswith("-"):
            found = [tree["commands"].get(name) for name in word.split("|")]
            if None in found:
                return False
            tree = found[0]
    return True
