"""Pages of one item: its state and history, and its review."""

import secrets
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date
from functools import partial
from typing import Any

from pydantic import ValidationError
from starlette.responses import Response

from contracts.bulletins.issue import BulletinIssue
from contracts.delivery import ChannelName
from contracts.desk.editorial import ItemView
from contracts.editorial import OUT, ActionKind, Status
from contracts.errors import Conflict, ContractError, FieldError, Forbidden, Invalid, field_error
from contracts.interruptions.interruption import Interruption
from contracts.interruptions.wording import stated_facts
from contracts.text.differences import Change, marked_changes
from contracts.text.moments import VIETNAM, format_moment_in_sentence
from contracts.vocabulary import GIVEN_BY_PEOPLE, REJECTIONS
from producers.desk.editor.findings import Findings, TextChecks
from producers.desk.items.item_issues import stale_issue, telling_issues
from producers.desk.items.joining import compared_campaigns, joined_words, plan_words
from producers.desk.items.text_form import FIELDS, TextForm, as_moment
from producers.desk.rendering import desk_texts, sentence_about
from producers.desk.visit import Visit

_ACT_BYTES = 16
_SHORT_HASH = 8
_FIRST_HOUR = "08:00"
ANSWERED_FOR = frozenset({ActionKind.CONFIRM, ActionKind.PROPOSE, ActionKind.APPROVE})
"""Acts by which a person answers for the text: what the checks say of it stands beside them."""
_PAGES = {"review": "duyet", "preview": "xem-truoc", "dry_run": "se-toi-ai"}
_WAITING = OUT | {Status.APPROVED}
"""Stored statuses of an approved text, of which readers may have nothing yet."""
_ROWS, _TIMES = ("links", "attachments"), ("not_before", "expires_at")
_FORM_NAMES = {"code": "reject_code", "title": "new_title", "reason": "note"}
"""Fields of an act, by the names that they have elsewhere."""
_FILE_FACTS = ("media_type", "size")
_FOLLOWERS, _EVERY_GENDER = ("ages", "gender", "regions", "provinces", "also"), "all"
_COMPARED = ("title", "short_title", "summary", "reason", "body")


def item_path(content_id: str, rest: str = "") -> str:
    return f"/tin/{content_id}{rest}"


async def show_item(visit: Visit) -> Response:
    """Raises NotFound, Forbidden."""
    item = await find_item(visit)
    chosen = visit.request.query_params.get("ban", "")
    values = await _item_values(visit, item) | await _earlier_text(visit, item, chosen)
    values["told_in"] = await telling_issues(visit, item)
    values["stale_issue"] = await stale_issue(visit, item)
    return visit.page("item.html", **values, changed=await _changed_entries(visit, item))


async def _changed_entries(visit: Visit, item: ItemView) -> str:
    """The items that changed in an approved issue of a bulletin that waits, by their titles."""
    parts = item.data.get("bulletin")
    if not parts or item.readers.seen or item.stored_status not in _WAITING:
        return ""
    issue = BulletinIssue.model_validate(parts)
    changed = await visit.desk.services.bulletins.outdated(issue, is_out=False)
    return "; ".join(title for name, title in issue.titles.items() if name in changed)


async def _earlier_text(visit: Visit, item: ItemView, hash: str) -> dict[str, Any]:
    """The text of *hash* beside the newest one; nothing of a hash that the item has not had."""
    earlier = item.texts.get(hash, {})
    readable = _readable(visit, earlier, await joined_words(visit, earlier))
    fields = {name: one for name, one in readable.items() if one}
    return {"earlier": TextForm(earlier), "earlier_fields": fields}


async def refused_act(visit: Visit, refused: ContractError, kind: str = "") -> Response:
    """The item's page, as it is now, with what an act lacks and what was typed for it.

    A withdrawal that was refused shows the text that it takes back. Raises NotFound, Forbidden.
    """
    item = await find_item(visit)
    has_left = visit.value("status") not in ("", item.stored_status)
    if has_left and isinstance(refused, Conflict | Forbidden):
        refused = _moved_on(item)
    is_behind = kind == ActionKind.WITHDRAW and item.out_hash != item.hash
    values = await _item_values(visit, item) | {"asked_for": kind}
    values["in_form"] = set(_form_fields(refused)) if item.is_editable else ()
    values |= await _earlier_text(visit, item, item.out_hash if is_behind else "")
    return visit.refused_page("item.html", as_in_form(refused), **values)


def _form_fields(refused: ContractError) -> Iterator[str]:
    """The fields of the text's form of which an error tells."""
    for error in refused.errors:
        head, _, name = error.field.partition(".")
        if head == "data" and name.partition(".")[0] in FIELDS:
            yield name


def _moved_on(item: ItemView) -> Conflict:
    """Why an act of a page is not done that was opened before the item's last act."""
    last = next(one for one in reversed(item.history) if one.kind is not ActionKind.COMMENT)
    at = format_moment_in_sentence(last.at.astimezone(VIETNAM))
    status = desk_texts()["item"]["status_names"][item.status]
    words = {"status": status, "who": last.who, "at": at}
    return Conflict(field_error("status", "editorial_moved_on", **words))


async def show_review(visit: Visit) -> Response:
    """The changes of a text against what is out and against what its unit sent."""
    item = await find_item(visit)
    against = visit.request.query_params.get("so-voi", "")
    bases = {"da-dang": item.out_data, "don-vi": item.sent_data}
    usual = "da-dang" if item.out_data else "don-vi"
    chosen = against if bases.get(against) else usual
    values = await _item_values(visit, item) | {
        "against": chosen,
        "bases": [name for name, data in bases.items() if data],
        "changes": await compare(visit, bases[chosen] or {}, item.data),
    }
    return visit.page("review.html", **values)


async def compare(
    visit: Visit, old: Mapping[str, Any], new: Mapping[str, Any]
) -> list[tuple[str, Sequence[Change]]]:
    """The marked changes of each field that is published and that either text has."""
    campaigns = await compared_campaigns(visit, old, new)
    before, after = map(partial(_readable, visit), (old, new), campaigns)
    pairs = [(name, before[name], after[name]) for name in after]
    return [(name, marked_changes(one, other)) for name, one, other in pairs if one or other]


def _readable(visit: Visit, data: Mapping[str, Any], campaign: str) -> dict[str, str]:
    """Every field that is published, as text that people read and compare."""
    text, names = TextForm(data), desk_texts()["item"]
    cover = " ".join(filter(None, (text.part("cover", key) for key in ("alt", "url"))))
    chosen = text.chosen("channels") if data else ()
    return {
        **{name: text.value(name) for name in _COMPARED},
        "topic": visit.topic_name(text.value("topic")),
        "audiences": "; ".join(map(visit.audience_name, text.chosen("audiences"))),
        "channels": "; ".join(names["channel"][one] for one in chosen),
        "lane": names["lane"].get(text.lane, text.lane) if data else "",
        "language": names["language"].get(text.language, text.language) if data else "",
        "broadcast": broadcast_words(text) if data else "",
        "bulletin": _issue_words(data),
        "interruption": _interruption_words(data),
        "campaign": campaign,
        "campaign_plan": plan_words(data, visit.desk.services.unit_names),
        **{name: text.moment(name) for name in _TIMES},
        "cover": cover,
        **{kind: "\n\n".join(_entries(data, kind)) for kind in _ROWS},
        "author": text.value("author"),
    }


def _entries(data: Mapping[str, Any], kind: str) -> Iterator[str]:
    """Entries of a list, each with the facts of its uploaded file, if it has one."""
    for one in filter(_is_entry, data.get(kind) or ()):
        file = ", ".join(str(one[name]) for name in _FILE_FACTS if one.get(name) is not None)
        yield f"{one.get('title', '')}: {one.get('url', '')}" + (f" ({file})" if file else "")


def _is_entry(found: object) -> bool:
    return isinstance(found, Mapping)


def broadcast_words(text: TextForm) -> str:
    """Whether followers on Zalo are told at once, and which of them."""
    told, called = desk_texts()["item"]["told"], desk_texts()["preview"]
    if ChannelName.ZALO not in text.chosen("channels"):
        return str(told["elsewhere"])
    if not text.is_broadcast:
        return str(told["none"])
    chosen, words = text.data.get("broadcast") or {}, [str(told["followers"])]
    for name in _FOLLOWERS:
        values = chosen.get(name) or ()
        values = [values] if isinstance(values, str) else values
        named = called["genders"] | called["regions_of"]
        shown = ", ".join(named.get(one, one) for one in values if one != _EVERY_GENDER)
        words += [f"{called[name]}: {shown}"] if shown else []
    return "; ".join(words)


def _readers_words(item: ItemView) -> str:
    """Which revisions readers have now; of a later one that none before it was out, either."""
    named, readers = desk_texts()["item"]["readers"], item.readers
    numbers = {"over" if readers.is_over else "seen": readers.seen}
    numbers |= {"ahead": readers.ahead, "gone": readers.gone}
    words = [named[name].format(number) for name, number in numbers.items() if number]
    has_been_out = any(one.kind is ActionKind.PUBLISH for one in item.history)
    return "; ".join(words) or str(
        named["none_before" if item.revision > 1 and not has_been_out else "none"]
    )


def _issue_words(data: Mapping[str, Any]) -> str:
    """The number of an issue of a bulletin and what it covers, which its text need not say."""
    try:
        issue = BulletinIssue.model_validate(data.get("bulletin"))
    except ValidationError:  # no issue, or one that no door takes
        return ""
    return str(desk_texts()["item"]["issue"]).format(
        number=f"{issue.number:02d}",
        year=issue.year,
        first=f"{issue.first_day:%d/%m/%Y}",
        last=f"{issue.last_day:%d/%m/%Y}",
        until=as_moment(issue.gathered_until.isoformat()),
    )


def _interruption_words(data: Mapping[str, Any]) -> str:
    """The facts of an interruption as readers are told; what is unfinished, as it is written."""
    try:
        facts = stated_facts(Interruption.model_validate(data.get("interruption")))
    except ValidationError:  # none, or a draft of one
        written = data.get("interruption")
        return "\n".join(_written_lines(written)) if isinstance(written, Mapping) else ""
    return "\n".join(f"{fact.label}: {fact.value}" for fact in facts)


def _written_lines(written: Mapping[str, Any]) -> Iterator[str]:
    """The fields of an unfinished interruption, by the names of the form."""
    named = desk_texts()["item"]["field"]
    for name, value in written.items():
        words = "; ".join(map(str, value)) if isinstance(value, list) else as_moment(str(value))
        yield f"{named.get(f'interruption.{name}', name)}: {words}"


async def find_item(visit: Visit) -> ItemView:
    return await visit.editorial.view(visit.request.path_params["content_id"])


async def _item_values(visit: Visit, item: ItemView) -> dict[str, Any]:
    refusals = await _refusals(visit, item)
    return {
        "checked": await _checked(visit, item, refusals) if item.possible & ANSWERED_FOR else None,
        "refusals": refusals,
        "item": item,
        "text": TextForm(item.data),
        "readers": _readers_words(item),
        "told": broadcast_words(TextForm(item.data)),
        "interruption": _interruption_words(item.data),
        "campaign": await joined_words(visit, item.data),
        "act_id": new_act_id(),
        "short_hash": item.hash[:_SHORT_HASH],
        "codes": rejection_names(),
        "offered_codes": [(code, rejection_names()[code]) for code in GIVEN_BY_PEOPLE],
        "roles": visit.desk.services.staff.role_names(),
        "links": _links(item),
        "moved": _moved_to(visit, item),
        "asked_for": "",
        "earlier_fields": {},
        "done": visit.request.query_params.get("xong", ""),
    }


async def _checked(visit: Visit, item: ItemView, refusals: Collection[ActionKind]) -> Findings:
    """The findings of the checks, without what *refusals* tell of the same text."""
    checked = await TextChecks.of(visit, item).find_all(item.content_id, item.data)
    told = {"interruption"} if ANSWERED_FOR.intersection(refusals) else set[str]()
    return replace(checked, found=[one for one in checked.found if one.code not in told])


async def _refusals(visit: Visit, item: ItemView) -> dict[ActionKind, list[str]]:
    """Why each act that brings the text nearer to readers would be refused now, in sentences."""
    found = await visit.editorial.refusals(item)
    return {kind: _sentences(errors) for kind, errors in found.items()}


def _sentences(errors: Iterable[FieldError]) -> list[str]:
    named = as_in_form(Invalid(*errors)).errors
    return [sentence_about(one.field, one.message_vi) for one in named]


def rejection_names() -> dict[str, str]:
    """The reasons for which a text is turned down, by their codes."""
    return {code: texts["vi"] for code, texts in REJECTIONS.items()}


def _moved_to(visit: Visit, item: ItemView) -> str:
    """The day to which an item was dragged on the calendar, at its own hour."""
    try:
        day = date.fromisoformat(visit.request.query_params.get("ngay", ""))
    except ValueError:
        return ""
    _, _, hour = TextForm(item.data).time("not_before").partition("T")
    return f"{day}T{hour or _FIRST_HOUR}"


def _links(item: ItemView) -> list[tuple[str, str]]:
    """The pages of the item that help with what comes next."""
    named, path = desk_texts()["item"]["link"], item_path(item.content_id)
    is_out = item.readers.seen and item.stored_status in OUT and item.status is not Status.SCHEDULED
    edit = "correct" if is_out else "edit"
    links = [(f"{path}/sua", named[edit])] if item.is_editable else []
    if item.data.get("bulletin"):
        links.insert(0, (f"{path}/ban-tin", desk_texts()["bulletin"]["edit"]))
    if campaign := item.data.get("campaign"):
        links.insert(0, (item_path(str(campaign), "/chuyen-de"), desk_texts()["campaign"]["link"]))
    links += [(f"{path}/{page}", named[name]) for name, page in _PAGES.items()]
    return [*links, (f"{path}/dang-gui", named["delivery"])] if item.readers.is_any else links


def as_in_form(refused: ContractError) -> ContractError:
    """The same error; fields of an event's data have the names that the form gives them."""
    named = rename_fields(refused, _FORM_NAMES)
    own = {one.field: one.field.removeprefix("data.") for one in named.errors}
    return rename_fields(named, own)


def rename_fields(refused: ContractError, names: Mapping[str, str]) -> ContractError:
    """The same error; the fields of *names* have other ones."""
    fields = ((one, names.get(one.field, one.field)) for one in refused.errors)
    errors = (error.model_copy(update={"field": name}) for error, name in fields)
    return type(refused)(*errors, retry_after_s=refused.retry_after_s)


def new_act_id() -> str:
    """The id of an act that a page offers: the same for each press of its button."""
    return secrets.token_hex(_ACT_BYTES)


def act_id(visit: Visit) -> str:
    """Raises Invalid for an id that no page of ours offers."""
    id = visit.value("act_id")
    if len(id) != 2 * _ACT_BYTES or not set(id) <= set("0123456789abcdef"):
        raise Invalid(field_error("act_id", "missing"))
    return id
