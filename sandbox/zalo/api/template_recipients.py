"""Recipients of template messages by phone, and Zalo's errors for those it cannot reach."""

import re

from contracts.base.times import vietnam_time
from sandbox.zalo.errors import ApiError
from sandbox.zalo.state.people import Person
from sandbox.zalo.state.world import World

_MOBILE = re.compile(r"(?:\+?84|0)?([35789]\d{8})", re.ASCII)
_MORNING, _EVENING = 6, 22
_PERSON_ERRORS = {
    -110: "Zalo version of the user is not supported",
    -114: "User is inactive, has opted out or uses an old version of Zalo",
    -118: "Zalo account does not exist or is closed",
    -119: "Account cannot receive ZNS",
    -139: "User refuses to receive this type of ZNS",
    -140: "User is not eligible for this type of ZNS",
    -141: "User refuses to receive ZNS from this OA",
}
"""Errors that depend on the person alone."""


def parse_phone(value: object) -> str:
    """The phone as `84...`; also `+84...`, `0...` and the bare nine digits are accepted."""
    digits = _MOBILE.fullmatch(value) if isinstance(value, str) else None
    if digits is None:
        raise ApiError(-108, "Phone number is invalid")
    return f"84{digits[1]}"


def check_recipient(world: World, person: Person | None) -> None:
    """Raises ApiError with this recipient's error."""
    code = world.rules.unknown_phones if person is None else person.template_code
    if code:
        raise ApiError(code, _PERSON_ERRORS[code])


def quota_periods(now: float) -> tuple[str, str]:
    """This day and this month in Vietnam, the periods of quotas."""
    return f"{vietnam_time(now):%Y-%m-%d}", f"{vietnam_time(now):%Y-%m}"


def is_night(now: float) -> bool:
    """Whether it is between 22:00 and 06:00 in Vietnam."""
    return not _EVENING > vietnam_time(now).hour >= _MORNING
