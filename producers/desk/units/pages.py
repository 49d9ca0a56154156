"""The units that send, and the page of one: its events, its quota, its keys."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from http import HTTPStatus
from typing import Any

from starlette.exceptions import HTTPException
from starlette.responses import Response

from contracts.base.security_headers import content_policy
from contracts.desk.shown.unit_events import UnitEvent
from producers.desk import rendering
from producers.desk.services import Registration, UnitKey
from producers.desk.units.sending import (
    COMMANDS,
    EXAMPLES,
    catalogue,
    command_text,
    example_text,
)
from producers.desk.visit import Visit
from producers.gateway.access import BURST, EVENTS_PER_MINUTE
from producers.pages.forms import parse_number

MANAGE, DISABLE = "manage-people", "disable-account"
READ = ("edit-dead-letter", "confirm", "operate", MANAGE, DISABLE)
_READ_UNIT, _READ_LETTERS = "unit.read", "dead.read"


async def show_units(visit: Visit) -> Response:
    """The units that the person may look at; who manages none of them is led to the only one."""
    registered = await visit.desk.services.units.registered_units()
    shown = [one for one in registered if visit.visitor.may_read(_READ_UNIT, one.unit)]
    if len(shown) == 1 and not visit.visitor.may(MANAGE):
        return rendering.redirect(f"/don-vi/{shown[0].unit}")
    return visit.page("units.html", units=shown)


async def show_new_unit(visit: Visit) -> Response:
    return visit.page("new_unit.html", units=visit.desk.services.unit_names, registration=None)


async def show_unit(visit: Visit) -> Response:
    """The page; `truoc` and `goi-truoc` of its address lead to older events and callbacks."""
    unit, registration = await _find(visit)
    place = visit.request.query_params.get("goi-truoc", "")
    events, trials, callbacks = await asyncio.gather(
        _events(visit, unit),
        _trials(visit, unit),
        visit.desk.services.unit_callbacks.of_unit(unit, place),
    )
    return visit.page(
        "unit.html",
        unit=unit,
        registration=registration,
        reads_letters=visit.visitor.may_read(_READ_LETTERS, unit),
        callbacks=callbacks,
        limits={"minute": EVENTS_PER_MINUTE, "burst": BURST},
        api_keys=_living(visit, registration.keys),
        **events,
        **trials,
    )


async def _events(visit: Visit, unit: str) -> Mapping[str, Any]:
    """A page of the unit's events, the titles that the person may read, and the quota used."""
    before = parse_number(visit.request.query_params.get("truoc", "")) or 0
    events = visit.desk.services.unit_events
    page, use = await asyncio.gather(events.recent(unit, before), events.use(unit))
    return {
        "events": page.events,
        "titles": await _readable_titles(visit, page.events),
        "older": page.next_before,
        "is_newest": not before,
        "use": use,
    }


async def _trials(visit: Visit, unit: str) -> Mapping[str, Any]:
    """The keys for trials, those who get them, and the last ones."""
    services = visit.desk.services
    keys, guests, sent = await asyncio.gather(
        services.units.trials.keys(unit),
        services.unit_trials.guests(unit),
        services.unit_trials.recent(unit),
    )
    return {"trial_keys": _living(visit, keys), "guests": guests, "trials": sent}


def _living(visit: Visit, keys: Sequence[UnitKey]) -> Sequence[UnitKey]:
    return [key for key in keys if key.until is None or key.until > visit.now]


async def show_trial(visit: Visit) -> Response:
    """One face of a trial, without any rights. Raises as `_find` for a face that is not there."""
    unit, _ = await _find(visit)
    asked = visit.request.path_params
    face = await visit.desk.services.unit_trials.face(unit, asked["id"], asked["face"])
    if face is None:
        raise HTTPException(HTTPStatus.NOT_FOUND)
    policy = content_policy(style_src=face.style_src, img_src=face.img_src, sandbox="")
    return Response(face.body, headers=policy, media_type=face.media_type)


async def show_sending(visit: Visit) -> Response:
    """How a system of the unit sends, and which kinds of events there are."""
    unit, _ = await _find(visit)
    return visit.page(
        "unit_sending.html",
        unit=unit,
        programs=[(one, example_text(one, unit)) for one in EXAMPLES],
        commands={way: command_text(way, unit) for way in COMMANDS},
        catalogue=catalogue(unit),
    )


async def _find(visit: Visit) -> tuple[str, Registration]:
    """The unit of the address. Raises Forbidden for one that is not the person's.

    Raises HTTPException (404) for one that is not registered.
    """
    unit = visit.request.path_params["unit"]
    visit.visitor.require_read(_READ_UNIT, unit)
    registration = await visit.desk.services.units.find(unit)
    if registration is None:
        raise HTTPException(HTTPStatus.NOT_FOUND)
    return unit, registration


async def _readable_titles(visit: Visit, events: Sequence[UnitEvent]) -> Mapping[str, str]:
    """The titles of the items that the person may read at the desk, by id."""
    ids = tuple({one.content_id for one in events if one.content_id})
    if not ids:
        return {}
    page = await visit.desk.services.index.find(replace(visit.editorial.readable, ids=ids))
    return {row.content_id: row.title for row in page.rows}
