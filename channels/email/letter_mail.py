"""The mail of a letter to one person about their own subscription, with one link."""

import tomllib
from collections.abc import Mapping
from datetime import datetime
from functools import cache
from typing import Any

from channels.email.build import House
from channels.email.letter import TEMPLATES, written
from channels.email.letter import Letter as Words
from channels.email.personal import Personal, worded
from contracts.letter import Letter


class RenderedLetter(Personal):
    """One letter, in the words of the catalogue."""

    name = "letter"

    def __init__(self, letter: Letter, house: House) -> None:
        super().__init__(house)
        self.letter = letter
        self.said: Mapping[str, Any] = catalogue()["kind"][letter.kind]

    @property
    def date(self) -> datetime:
        return self.letter.at

    def own(self) -> Mapping[str, object]:
        return {name: self.said[name] for name in ("button", "closing")}

    def words(self) -> Words:
        letter, house = self.letter, self.house
        known = {
            "agency": house.agency,
            "other": letter.other,
            "until": written(letter.expires_at),
            "asked": written(letter.at),
        }
        return worded(
            self.said["subject"].format_map(known),
            self.said["title"].format_map(known),
            [text.format_map(known) for text in self.said["paragraphs"]],
            url=f"{house.public_url}{letter.path}" if letter.path else "",
        )


@cache
def catalogue() -> Mapping[str, Any]:
    return tomllib.loads((TEMPLATES / "letter.toml").read_text("utf-8"))
