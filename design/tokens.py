"""Design tokens as CSS: custom properties of pages, plain values of mails."""

import re
from collections.abc import Mapping
from pathlib import Path

from contracts.catalog import load_texts

_FILE = Path(__file__).with_name("tokens.toml")
_USE = re.compile(r"var\(--([a-z0-9-]+)\)")


def tokens(scheme: str) -> Mapping[str, str]:
    """Values by name. *scheme*: light, dark, paper (colours) or size."""
    values: Mapping[str, str] = load_texts(_FILE)[scheme]
    return values


def custom_properties() -> str:
    """CSS that declares every token: by day, by night, on paper."""
    light = ":root { color-scheme: light dark; " + _declared("size") + _declared("light") + "}"
    dark = "@media (prefers-color-scheme: dark) { :root { " + _declared("dark") + "} }"
    paper = "@media print { :root { color-scheme: light; " + _declared("paper") + "} }"
    return "\n".join((light, dark, paper, ""))


def with_values(css: str, scheme: str) -> str:
    """*css* with the colours of *scheme* for mail programs, which do not know `var(--name)`.

    Raises KeyError for a name that is no colour.
    """
    return _USE.sub(lambda use: tokens(scheme)[use[1]], css)


def _declared(scheme: str) -> str:
    return "".join(f"--{name}: {value}; " for name, value in tokens(scheme).items())
