"""Every sentence of a help page has its Vietnamese, under the English that the code has today."""

import tomllib
from collections.abc import Callable

import typer
from typer import rich_utils

from consumers.cli.root import Commands
from producers import cli as client
from producers.command_pages import complete_page
from producers.command_pages.language import TYPER_WORDS, HelpLanguage, translate_page
from tests.lint.commands import fresh_commands, sentence

TABLES = [
    texts
    for path in Commands.help_language.catalogs
    for texts in tomllib.loads(path.read_text("utf-8")).values()
]
TEXTS = Commands.help_language.texts()


def needed() -> dict[str, str]:
    """English text → the words of the first command whose page has it."""
    found = {getattr(rich_utils, name): "every page" for name in TYPER_WORDS}
    for words, command in fresh_commands():
        name = " ".join(("loa", *words))
        if len(words) == 1:
            found.setdefault(sentence(command), name)
        translate_page(command, noting(found, name))
    return prose(found) | client_texts()


def client_texts() -> dict[str, str]:
    """The same of the client's program."""
    found: dict[str, str] = {}
    root = complete_page(typer.main.get_command(client.app), HelpLanguage())
    for command in (root, *root.commands.values()):
        translate_page(command, noting(found, "loa of loa-client"))
    return prose(found)


def noting(found: dict[str, str], words: str) -> Callable[[str], str]:
    def note(text: str) -> str:
        found.setdefault(text, words)
        return text

    return note


def prose(found: dict[str, str]) -> dict[str, str]:
    """Without the examples, which are the same in every language."""
    return {text: words for text, words in found.items() if text and not text.startswith("  ")}


def test_every_text_of_a_help_page_has_its_vietnamese():
    """A text whose English has changed is here as new, and below as old."""
    assert {text: words for text, words in needed().items() if text not in TEXTS} == {}


def test_no_text_of_the_catalogues_is_left_over():
    assert sorted(TEXTS.keys() - needed().keys()) == []


def test_a_text_stands_once_and_ends_as_its_english_does():
    assert len(TEXTS) == sum(len(texts) for texts in TABLES)
    marks = {en: vi for en, vi in TEXTS.items() if en[-1:] in ".:" and en[-1:] != vi[-1:]}
    assert marks == {}


def test_the_clients_catalogue_is_enough_for_the_client():
    assert client_texts().keys() - HelpLanguage().texts().keys() == set()
