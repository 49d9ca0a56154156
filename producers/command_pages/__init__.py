"""The help pages of commands: their texts (`pages`), and their language (`language`).

The code has the English beside each command. `help.vi.toml` has the Vietnamese for the commands of
the client, and for the words that all pages share. May import producers.output and typer.
"""

from producers.command_pages.language import SETTINGS, HelpLanguage
from producers.command_pages.pages import (
    EXIT_BUS_AWAY,
    EXIT_NEEDS_PERSON,
    Version,
    complete_page,
    page,
    page_of,
    values_of,
    walk,
)

__all__ = [
    "EXIT_BUS_AWAY",
    "EXIT_NEEDS_PERSON",
    "SETTINGS",
    "HelpLanguage",
    "Version",
    "complete_page",
    "page",
    "page_of",
    "values_of",
    "walk",
]
