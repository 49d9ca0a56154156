"""The provinces of Vietnam that an event may name, read from `provinces.toml`."""

import tomllib
from collections.abc import Mapping
from pathlib import Path

from contracts.base import Contract


class Province(Contract):
    """A province or centrally run city; `zalo` are Zalo's numbers for the parts it was made of."""

    name: str
    code: str
    zalo: tuple[int, ...]


def parse(toml_text: str) -> Mapping[str, Province]:
    """Every province by its id."""
    found = tomllib.loads(toml_text)
    return {name: Province.model_validate(province) for name, province in found.items()}


PROVINCES = parse((Path(__file__).parent / "provinces.toml").read_text("utf-8"))
