"""Whom a template message by phone can reach, and what Zalo says of those it cannot."""

import re

from channels.zalo.hours import local
from channels.zalo.sandbox.people import Person
from channels.zalo.sandbox.shelf import Template
from channels.zalo.sandbox.talk import PROMOTION
from channels.zalo.sandbox.wire import Refusal
from channels.zalo.sandbox.world import World

MOBILE = re.compile(r"(?:\+?84|0)?([35789]\d{8})", re.ASCII)
DIGEST = re.compile(r"[0-9a-f]{64}")
MORNING, EVENING = 6, 22
HALF_A_YEAR_S = 183 * 86400.0
PERSONAL = {
    -110: "Zalo version of the user is not supported",
    -114: "User is inactive, has opted out or uses an old version of Zalo",
    -118: "Zalo account does not exist or is closed",
    -119: "Account cannot receive ZNS",
    -140: "User is not eligible for this type of ZNS",
    -141: "User refuses to receive ZNS from this OA",
}
"""What Zalo may say of one person, whatever the template is."""


def phone(given: object) -> str:
    """In the form `84...`; also `+84...`, `0...` and the bare nine digits are taken."""
    number = MOBILE.fullmatch(given) if isinstance(given, str) else None
    if number is None:
        raise Refusal(-108, "Phone number is invalid")
    return f"84{number[1]}"


def digest(given: object) -> str:
    if not isinstance(given, str) or not DIGEST.fullmatch(given):
        raise Refusal(-108, "Phone number is invalid")
    return given


def may_get(world: World, person: Person | None, template: Template, development: bool) -> None:
    """Raises Refusal with what this recipient is answered with."""
    if development and (person is None or not person.oa_admin):
        raise Refusal(-127, "Test template can only be sent to admins")
    code = world.rules.unknown_phones if person is None else person.template_code
    if code:
        raise Refusal(code, PERSONAL[code])
    if person is None:
        return
    if template.tag in person.refused_tags:
        raise Refusal(-139, "User refuses to receive this type of ZNS")
    if template.tag == PROMOTION and not development and not dealt_with(world, person):
        raise Refusal(-140, PERSONAL[-140])


def dealt_with(world: World, person: Person) -> bool:
    """Whether they got news about their own affairs within half a year."""
    since = world.clock() - HALF_A_YEAR_S
    return any(
        one.delivered is not None and one.delivered >= since
        for one in world.talk.of(person.user_id)
        if one.template_id and one.tag != PROMOTION
    )


def spans(now: float) -> tuple[str, str]:
    """This day and this month in Vietnam, as quotas are counted."""
    return f"{local(now):%Y-%m-%d}", f"{local(now):%Y-%m}"


def night(now: float) -> bool:
    """From ten in the evening to six, in Vietnam."""
    return not EVENING > local(now).hour >= MORNING
