"""Findings: a code and its values; a table has level and texts."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from contracts.catalog import load_texts
from contracts.errors import Bilingual


class Level(StrEnum):
    """`warning`: mail may be filtered. `problem`: some providers refuse."""

    OK = "ok"
    WARNING = "warning"
    PROBLEM = "problem"


@dataclass(frozen=True, slots=True)
class Finding:
    """One checked fact."""

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
        """Meaning and advice (empty if all is well), in English and Vietnamese."""
        texts = finding_texts()[self.code]
        pairs = {
            name: value if isinstance(value, Bilingual) else (value, value)
            for name, value in self.values.items()
        }
        en, vi = ({name: pair[at] for name, pair in pairs.items()} for at in (0, 1))
        languages = {"en": en, "vi": vi, "do_en": en, "do_vi": vi}
        return {name: texts.get(name, "").format_map(said) for name, said in languages.items()}


def new_finding(code: str, **values: object) -> Finding:
    return Finding(code, values)


def finding_texts() -> dict[str, Any]:
    return load_texts(Path(__file__).with_name("texts.toml"))
