"""Findings of a check: violations by rule and key, counts of checked and skipped records."""

from pathlib import Path

from pydantic import BaseModel

from contracts.catalog import load_texts

STUCK_S = 600.0
"""How long due work may wait without an excuse."""


class Rule(BaseModel):
    """The texts of one promise in both languages: the fault, and its remedy."""

    means: str
    means_vi: str
    do: str
    do_vi: str


class Violation(BaseModel):
    """One broken promise: its rule, its place, and the evidence."""

    rule: str
    key: str
    detail: str

    @property
    def identity(self) -> tuple[str, str]:
        """Rule and key: a violation found again with other numbers is the same one."""
        return self.rule, self.key


def unreadable(key: str) -> Violation:
    return Violation(rule="unreadable", key=key, detail="by this version")


class Skipped(BaseModel):
    """Rules that could not be checked, and why."""

    what: str
    why: str


class Findings(BaseModel):
    """The answer of `loa check`. `warnings`: what people may want to mend; no promise is broken."""

    ok: bool
    violations: list[Violation]
    warnings: list[Violation] = []
    checked: dict[str, int] = {}
    skipped: list[Skipped] = []


def load_rules() -> dict[str, Rule]:
    """Every rule by its name; names stay, scripts rely on them."""
    catalog = load_texts(Path(__file__).parent / "rules.toml")
    return {name: Rule(**texts) for name, texts in catalog.items()}
