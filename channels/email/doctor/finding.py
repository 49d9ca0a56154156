"""What the doctor has found: a code and its values; how bad it is and its words are in a table."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cache
from pathlib import Path


class Level(StrEnum):
    """`warning`: mail arrives, but less surely than it could. `problem`: some providers refuse."""

    OK = "ok"
    WARNING = "warning"
    PROBLEM = "problem"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at."""

    code: str
    values: Mapping[str, object] = field(default_factory=dict)

    @property
    def level(self) -> Level:
        return Level(finding_texts()[self.code]["level"])

    @property
    def topic(self) -> str:
        """spf, dkim, dmarc, ptr, relay, mail: the first word of the code."""
        return self.code.partition("_")[0]

    def localized(self) -> dict[str, str]:
        """What it means and what to do (empty where all is well), in English and Vietnamese."""
        said = finding_texts()[self.code]
        names = ("en", "vi", "do_en", "do_vi")
        return {name: said.get(name, "").format_map(self.values) for name in names}


def new_finding(code: str, **values: object) -> Finding:
    return Finding(code, values)


@cache
def finding_texts() -> dict[str, dict[str, str]]:
    return tomllib.loads(Path(__file__).with_name("texts.toml").read_text("utf-8"))
