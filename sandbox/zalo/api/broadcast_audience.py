"""Audience of a broadcast: targets in every observed notation, and the people who match."""

import tomllib
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from channels.zalo.client.response import whole_number
from sandbox.zalo.errors import ApiError
from sandbox.zalo.state.people import Person

_REGIONS: dict[str, list[int]] = tomllib.loads(
    Path(__file__).with_name("places.toml").read_text("utf-8")
)["region"]
_CODE_MAX = {"ages": 7, "gender": 2, "locations": 2, "cities": 63}
"""The highest code of each field."""
_ALL = 0  # any gender
_AGE_GROUPS = (0, 13, 18, 25, 35, 45, 55, 65)
"""The first age of each group."""


def parse_target(target: object) -> dict[str, list[int]]:
    """Codes by field, from comma-separated text, a number, or a list of either."""
    if not isinstance(target, Mapping):
        raise ApiError(-201, "target is invalid!")
    codes = {}
    for field, value in target.items():
        if field not in _CODE_MAX:
            raise ApiError(-201, f"{field} is invalid!")
        codes[field] = _parse_codes(field, value, _CODE_MAX[field])
    return {name: values for name, values in codes.items() if values}


def _parse_codes(name: str, value: object, last: int) -> list[int]:
    parts = value if isinstance(value, list) else str(value).split(",")
    numbers = [whole_number(part) for part in parts if part != ""]
    if any(code is None or not 0 <= code <= last for code in numbers):
        raise ApiError(-201, f"{name} is invalid!")
    return [code for code in numbers if code is not None]


def matching_people(people: Iterable[Person], target: Mapping[str, Any]) -> list[Person]:
    """The people who match. An unknown field of a person does not match."""
    try:
        codes_by_field = parse_target(target)
    except ApiError:  # an old journal has unchecked targets
        codes_by_field = {}
    if "cities" in codes_by_field:
        codes_by_field.pop("locations", None)
    fields = [(_MATCHERS[name], codes) for name, codes in codes_by_field.items()]
    return [person for person in people if all(match(person, codes) for match, codes in fields)]


def _matches_age(person: Person, groups: list[int]) -> bool:
    return (
        person.age is not None and sum(person.age >= start for start in _AGE_GROUPS) - 1 in groups
    )


def _matches_gender(person: Person, codes: list[int]) -> bool:
    return _ALL in codes or person.gender in codes


def _matches_region(person: Person, codes: list[int]) -> bool:
    return any(person.city in _REGIONS[str(region)] for region in codes)


_MATCHERS: dict[str, Callable[[Person, list[int]], bool]] = {
    "ages": _matches_age,
    "gender": _matches_gender,
    "locations": _matches_region,
    "cities": lambda person, wanted: person.city in wanted,
}
