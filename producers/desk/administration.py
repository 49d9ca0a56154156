"""Administration: accounts, acts on units and their keys, and what waits for a second person."""

from collections.abc import Mapping
from typing import Any

from starlette.responses import Response

from producers.desk import rendering
from producers.desk.rendering import desk_texts
from producers.desk.services import Account, Act, Grant, Submitted
from producers.desk.visit import Visit

_BUS_KEY_ACTS = ("units.revoke", "units.bus-key", "units.bus-key-revoke")


async def show_accounts(visit: Visit) -> Response:
    roles = visit.desk.services.staff.role_names()
    return visit.page("accounts.html", accounts=await visit.visitor.accounts(), roles=roles)


async def show_new_account(visit: Visit) -> Response:
    return visit.page("new_account.html", **_role_choices(visit, {}))


async def show_account(visit: Visit) -> Response:
    account = await visit.visitor.find_account(visit.request.path_params["id"])
    grants = {grant.role: grant for grant in account.grants}
    return visit.page("staff_account.html", account=account, **_role_choices(visit, grants))


def _role_choices(visit: Visit, grants: Mapping[str, Grant]) -> dict[str, Any]:
    """The roles with their units and topics, also those that a grant has and no vocabulary."""
    units, topics = dict(visit.desk.services.unit_names), dict(visit.topics)
    units |= {id: visit.unit_name(id) for one in grants.values() for id in one.units}
    topics |= {id: visit.topic_name(id) for one in grants.values() for id in one.topics}
    roles = visit.desk.services.staff.role_names()
    return {"roles": roles, "grants": grants, "units": units, "topics": topics}


async def add_account(visit: Visit) -> Response:
    names = ("login", "name", "unit")
    fields = {name: visit.value(name).strip() for name in names}
    return await _submit(visit, {"do": "staff.add", **fields, "roles": _chosen_roles(visit)})


async def set_roles(visit: Visit) -> Response:
    return await _submit_for_account(visit, "staff.roles", roles=_chosen_roles(visit))


async def enable_account(visit: Visit) -> Response:
    return await _submit_for_account(visit, "staff.enable")


async def disable_account(visit: Visit) -> Response:
    return await _submit_for_account(visit, "staff.disable")


async def reset_account(visit: Visit) -> Response:
    return await _submit_for_account(visit, "staff.reset")


async def set_address(visit: Visit) -> Response:
    """Set the mail address of another person, or take it away."""
    account = visit.request.path_params["id"]
    address = visit.value("email").strip()
    return _answer(visit, await visit.visitor.set_address(account, address))


async def show_waiting_people(visit: Visit) -> Response:
    """People of the identity provider without an account, and the accounts to link them to."""
    oidc = visit.desk.services.oidc
    people = await oidc.waiting_people() if oidc else ()
    accounts = [(one.id, f"{one.login} ({one.name})") for one in await visit.visitor.accounts()]
    return visit.page("waiting_people.html", people=people, accounts=accounts)


async def link_identity(visit: Visit) -> Response:
    names = ("account", "issuer", "subject")
    return await _submit(visit, {"do": "staff.link", **{one: visit.value(one) for one in names}})


async def unlink_identity(visit: Visit) -> Response:
    return await _submit_for_account(visit, "staff.unlink")


async def _submit_for_account(visit: Visit, do: str, **fields: object) -> Response:
    account = visit.request.path_params["id"]
    return await _submit(visit, {"do": do, "account": account, **fields})


def _chosen_roles(visit: Visit) -> list[str]:
    """The roles of a form, as commands write them, with the units and topics of each."""
    chosen = []
    for role in visit.form.get("role", []):
        scopes = (
            (kind, ",".join(visit.form.get(f"{kind}.{role}", []))) for kind in ("units", "topics")
        )
        chosen.append("/".join([role, *(f"{kind}={ids}" for kind, ids in scopes if ids)]))
    return chosen


async def add_unit(visit: Visit) -> Response:
    unit = visit.value("unit").strip()
    return await _submit(visit, {"do": "units.add", "unit": unit, **_unit_rules(visit)})


async def set_unit(visit: Visit) -> Response:
    return await _submit_for_unit(visit, "units.set", **_unit_rules(visit))


async def rotate_key(visit: Visit) -> Response:
    return await _submit_for_unit(visit, "units.rotate", now=bool(visit.value("now")))


async def revoke_keys(visit: Visit) -> Response:
    return await _submit_for_unit(visit, "units.revoke")


async def renew_trial_key(visit: Visit) -> Response:
    return await _submit_for_unit(visit, "units.trial-key", now=bool(visit.value("now")))


async def revoke_trial_keys(visit: Visit) -> Response:
    return await _submit_for_unit(visit, "units.trial-key-revoke")


async def add_bus_key(visit: Visit) -> Response:
    return await _submit_for_unit(visit, "units.bus-key")


async def revoke_bus_key(visit: Visit) -> Response:
    return await _submit_for_unit(visit, "units.bus-key-revoke", key=visit.value("key"))


async def _submit_for_unit(visit: Visit, do: str, **fields: object) -> Response:
    return await _submit(visit, {"do": do, "unit": visit.request.path_params["unit"], **fields})


def _unit_rules(visit: Visit) -> Mapping[str, object]:
    return {
        "release": visit.value("release"),
        "urgent": bool(visit.value("urgent")),
        "notices": visit.value("notices").split(","),
    }


async def _submit(visit: Visit, fields: Mapping[str, object]) -> Response:
    """Do an act, or propose it to a second account manager; show which."""
    return _answer(visit, await visit.visitor.submit(fields))


def _answer(visit: Visit, submitted: Submitted) -> Response:
    subject = submitted.done.account if submitted.done else None
    said = _describe(visit, submitted.act, subject)
    is_for_server = visit.desk.services.has_own_nats and submitted.act.do in _BUS_KEY_ACTS
    rest = desk_texts()["submitted"]["server"] if submitted.done and is_for_server else ""
    return visit.page("submitted.html", done=submitted.done, said=said, rest=rest)


async def show_proposals(visit: Visit) -> Response:
    waiting = await visit.visitor.waiting_acts()
    shown = [(one, _describe(visit, one.act, one.subject)) for one in waiting]
    return visit.page("proposals.html", waiting=shown, own=visit.visitor.account.id)


async def confirm(visit: Visit) -> Response:
    """Do what another account manager has proposed. Raises NotFound when it waits no more."""
    return _answer(visit, await visit.visitor.confirm(visit.request.path_params["id"]))


async def refuse(visit: Visit) -> Response:
    """Remove what waits for a second person, also of one's own."""
    await visit.visitor.refuse(visit.request.path_params["id"])
    return rendering.redirect("/de-nghi")


def _describe(visit: Visit, act: Act, subject: Account | None) -> str:
    """An act as a sentence, in Vietnamese."""
    texts = desk_texts()["act"]
    facts = {name: _shown(visit, name, value) for name, value in act.arguments.items()}
    person = f"{subject.name} ({subject.login})" if subject else facts.get("account", "")
    return str(texts[act.do]).format(**facts | {"account": person})


def _shown(visit: Visit, name: str, value: object) -> str:
    """An argument of an act in the words of its page."""
    texts = desk_texts()
    if isinstance(value, bool):
        return str(texts["value"]["yes" if value else "no"])
    if name == "notices" and isinstance(value, list):
        chosen = ",".join(map(str, value))
        return str(texts["notices"].get(chosen, chosen))
    if isinstance(value, list):
        said = (_role_in_words(visit, str(one)) for one in value)
        return "; ".join(said) or str(texts["value"]["none"])
    return visit.unit_name(str(value)) if name == "unit" else str(texts["value"].get(value, value))


def _role_in_words(visit: Visit, written: str) -> str:
    """A role as commands write it, by its name and the names of its units and topics."""
    role, *scopes = written.split("/")
    shown = []
    for kind, ids in (one.split("=", 1) for one in scopes):
        name_of = visit.unit_name if kind == "units" else visit.topic_name
        label = desk_texts()["field"][kind].lower()
        shown.append(f"{label}: {', '.join(map(name_of, ids.split(',')))}")
    name = visit.role_name(role)
    return f"{name} ({'; '.join(shown)})" if shown else name
