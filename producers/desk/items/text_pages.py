"""The form of a text: written, taken up again where it was left, compared with another's save."""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from starlette.responses import Response

from contracts.desk.editorial import ItemView, NewItem, Order
from contracts.desk.kept_texts import NEW_ITEM, KeptText
from contracts.desk.uploads import FILE_MAX_MB
from contracts.editorial.moves import changing_act
from contracts.errors import BegunBefore, Conflict, ContractError, Forbidden, Invalid
from producers.desk.editor.conversion import settle_markdown
from producers.desk.editor.findings import Findings, TextChecks
from producers.desk.editor.keeping import (
    find_kept,
    finish,
    form_path,
    keep_form,
    open_elsewhere,
)
from producers.desk.items.joining import chosen_value, offered_campaigns
from producers.desk.items.pages import (
    act_id,
    as_in_form,
    compare,
    find_item,
    item_path,
    new_act_id,
)
from producers.desk.items.text_form import TextForm, read_kept, read_text
from producers.desk.items.uploads import with_file_facts
from producers.desk.rendering import redirect
from producers.desk.visit import Visit
from producers.pages.forms import single_value


@dataclass(frozen=True)
class _Page:
    """The page of a new text, or of an item's."""

    visit: Visit
    item: ItemView | None = None

    @property
    def content_id(self) -> str:
        return self.item.content_id if self.item else NEW_ITEM

    @property
    def saved(self) -> Mapping[str, Any]:
        return self.item.data if self.item else {}

    @property
    def path(self) -> str:
        return form_path(self.content_id)

    async def show(self) -> Response:
        """The form of the text as it is, or as the person left it, where the person asks so."""
        kept = await find_kept(self.visit, self.content_id)
        if kept and "giu-tam" in self.visit.request.query_params:
            data = read_kept(kept.fields, self.saved)
            return self.visit.page("text_form.html", **await self._values(data, used=kept))
        return self.visit.page("text_form.html", **await self._values(self.saved, kept=kept))

    async def refuse(self, refused: ContractError, data: Mapping[str, Any]) -> Response:
        """The form again, with what was typed, what is wrong with it, and what others saved."""
        with suppress(Invalid):  # too large to be kept, it is still on the page
            await keep_form(self.visit, self.content_id)
        values = await self._values(data)
        if not isinstance(refused, BegunBefore):  # whose act has been done
            values["act_id"] = self.visit.value("act_id")
        is_behind = self.item is not None and self.item.hash != self.visit.value("hash")
        if is_behind and isinstance(refused, Conflict):
            values["changes"] = await compare(self.visit, self.saved, data)
        page = self.visit.refused_page("text_form.html", as_in_form(refused), **values)
        if isinstance(refused, Conflict):
            page.status_code = HTTPStatus.CONFLICT
        return page

    async def _values(
        self, data: Mapping[str, Any], kept: KeptText | None = None, used: KeptText | None = None
    ) -> dict[str, Any]:
        visit, item = self.visit, self.item
        hash = used.hash if used else item.hash if item else ""
        units = () if item else visit.editorial.writable_units()
        checked, others = await asyncio.gather(self._checked(data), self._others())
        return {
            "item": item,
            "text": TextForm(data),
            "act_id": _first_act_id(item, used) or new_act_id(),
            "units": {one: visit.unit_name(one) for one in units},
            "unit": single_value(used.fields if used else visit.form, "unit"),
            "campaigns": await offered_campaigns(visit, data),
            "campaign": chosen_value(data),
            "path": self.path,
            "content_id": self.content_id,
            "hash": hash,
            "kept": kept,
            "used": used,
            "checked": checked,
            "others": others,
            "changes": (),
            "max_mb": FILE_MAX_MB,
            "earliest_day": TextChecks.of(visit, item).period.earliest_day,
        }

    async def _checked(self, data: Mapping[str, Any]) -> Findings | None:
        checks = TextChecks.of(self.visit, self.item)
        return await checks.find_all(self.content_id, data) if data else None

    async def _others(self) -> Sequence[str]:
        return await open_elsewhere(self.visit, self.content_id) if self.item else ()


def _first_act_id(item: ItemView | None, used: KeptText | None) -> str:
    """The act of a new text's form that is filled again: its first press may have been stored."""
    return single_value(used.fields, "act_id") if used and item is None else ""


async def show_new_item(visit: Visit) -> Response:
    return await _Page(visit).show()


async def add_item(visit: Visit) -> Response:
    """Save a new text. A second press of the button is the same text.

    What its form sends again with other words changes the item that the first press has begun.
    """
    data: dict[str, Any] = {}
    try:
        await settle_markdown(visit)
        data = await with_file_facts(visit, read_text(visit.form, {}))
        new = NewItem(visit.value("unit"), act_id(visit), data)
        content_id = await visit.editorial.begin(new)
    except BegunBefore as before:
        await finish(visit)
        return await _Page(visit, await visit.editorial.view(before.content_id)).refuse(
            before, data
        )
    except (Invalid, Forbidden, Conflict) as refused:
        return await _Page(visit).refuse(refused, data)
    await finish(visit)
    return redirect(item_path(content_id))


async def show_text(visit: Visit) -> Response:
    """The form of an item's text, for whom may change it now."""
    item = await find_item(visit)
    if not item.is_editable:
        return redirect(item_path(item.content_id))
    return await _Page(visit, item).show()


async def save_text(visit: Visit) -> Response:
    """Save a changed text: a draft of the unit, or an editor's."""
    item = await find_item(visit)
    kind = changing_act(item.stored_status)
    data: dict[str, Any] = dict(item.data)
    try:
        await settle_markdown(visit)
        data = await with_file_facts(visit, read_text(visit.form, item.data))
        order = Order(item.content_id, kind, act_id(visit), visit.value("hash"), data)
        await visit.editorial.perform(order)
    except (Invalid, Forbidden, Conflict) as refused:
        return await _Page(visit, await find_item(visit)).refuse(refused, data)
    await finish(visit, item.content_id)
    return redirect(item_path(item.content_id))
