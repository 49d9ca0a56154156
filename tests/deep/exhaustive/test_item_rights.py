"""Every act on an item with every role, in each relation of a person to the item.

The tables here say once more which role may do which act, as docs/desk.md and the roles agreed on;
no rule of the product is asked. An allowed act changes the item, a refused one leaves it as it was.
"""

import secrets
from collections.abc import Iterator, Mapping
from itertools import product
from typing import NamedTuple

import pytest

from consumers.editorial.log import EditorialLog, Recorded
from consumers.intake.handler import Intake
from contracts import subjects
from contracts.editorial import ActionKind, Status
from contracts.editorial.action import DESK_ACT
from contracts.vocabulary import DEFAULT
from tests.support import listed_items
from tests.support.newsroom import FIELDS
from tests.support.staffed_items import (
    ANOTHERS,
    ANY,
    APPROVER,
    AUDITOR,
    CODE,
    DUTY,
    EDITOR,
    LEADER,
    OFFICER,
    OPERATOR,
    OWN_ITEM,
    OWN_UNIT,
    RECEIVED,
    ROLES,
    SECRETARY,
    WAYS,
    WHY,
    WRITTEN,
    Case,
    Right,
    StaffedItems,
    cases_at,
    open_staffed_items,
)

pytestmark = pytest.mark.timeout(900)
K, S = ActionKind, Status
WRITE: Right = {OFFICER: OWN_UNIT, LEADER: OWN_UNIT, EDITOR: ANY, SECRETARY: ANY}
READ: Right = {
    OFFICER: OWN_ITEM,
    LEADER: OWN_UNIT,
    **dict.fromkeys((EDITOR, SECRETARY, DUTY, APPROVER, AUDITOR), ANY),
}
CONFIRM: Right = {LEADER: OWN_UNIT}
EDIT: Right = {EDITOR: ANY, SECRETARY: ANY}
DECIDE: Right = {APPROVER: ANY}
WATCH: Right = {**READ, OPERATOR: ANY}

UNSENT, ENDED = (S.DRAFT, S.RETURNED), (S.PUBLISHED, S.REJECTED, S.WITHDRAWN)
EDITABLE, CHECKED = (S.UNIT_CONFIRMED, S.IN_EDIT, RECEIVED), (S.PENDING_APPROVAL, S.APPROVED)
UNDECIDED = (S.SUBMITTED, *EDITABLE, S.PENDING_APPROVAL)
WROTE, EDITED = frozenset({K.SAVE, K.SUBMIT}), frozenset({K.SAVE, K.SUBMIT, K.EDIT})
CHECKS = frozenset({K.CONFIRM, K.PROPOSE})
CLEAN = {"clean": "1"}
REJECTED = {"reject_code": CODE}
NEW_TEXT = {**FIELDS, "body": "Viết lại."}
LATER = {"not_before": "2027-01-26T10:00"}


class Form(NamedTuple):
    """A form of an item's page at some steps: its act, the right to it, and earlier acts that bar.

    *is_read*: it takes the right to read the item, too.
    """

    path: str
    kind: ActionKind
    at: tuple[str, ...]
    right: Right
    barred: frozenset[ActionKind | None] = frozenset()
    fields: Mapping[str, object] = {}
    is_read: bool = False

    def allows(self, role: str, case: Case) -> bool:
        has_right = case.is_reached(self.right, role)
        may_read = case.is_reached(READ, role) or not self.is_read
        return has_right and may_read and case.did not in self.barred

    def cells(self) -> Iterator[tuple[str, str, Case]]:
        """The form at each step with each role; for roles that have the right, in each case."""
        for step in self.at:
            for role in ROLES:
                cases = cases_at(step) if role in self.right else (ANOTHERS,)
                yield from ((step, role, case) for case in cases)


def changing(
    path: str, fields: Mapping[str, object], begun: tuple[str, ...] = UNSENT
) -> tuple[Form, ...]:
    """The form that changes a text: of a writer, of an editor, and once it was proposed."""
    return (
        Form(path, K.SAVE, begun, WRITE, fields=fields, is_read=True),
        Form(path, K.EDIT, EDITABLE, EDIT, fields=fields, is_read=True),
        Form(path, K.EDIT, CHECKED, EDIT, frozenset({K.CONFIRM}), fields, is_read=True),
    )


FORMS = (
    Form("gui", K.SUBMIT, UNSENT, WRITE),
    Form("xac-nhan", K.CONFIRM, (S.SUBMITTED, RECEIVED), CONFIRM, WROTE, CLEAN),
    Form("trinh", K.PROPOSE, EDITABLE, EDIT, frozenset({K.CONFIRM}), CLEAN),
    Form("duyet", K.APPROVE, (S.PENDING_APPROVAL, RECEIVED), DECIDE, EDITED | CHECKS, CLEAN),
    Form("tra-lai", K.RETURN, (S.SUBMITTED, RECEIVED), CONFIRM, fields=WHY),
    Form("tra-lai", K.RETURN, (S.UNIT_CONFIRMED, S.IN_EDIT), EDIT, fields=WHY),
    Form("tra-lai", K.RETURN, (S.PENDING_APPROVAL,), DECIDE, EDITED, WHY),
    Form("bo", K.REJECT, UNSENT, WRITE, frozenset({None})),
    Form("tu-choi", K.REJECT, UNDECIDED, DECIDE, EDITED, REJECTED),
    Form("go", K.WITHDRAW, (S.APPROVED, S.SCHEDULED, S.PUBLISHED), DECIDE, EDITED, WHY),
    Form("gop-y", K.COMMENT, tuple(WAYS), READ, fields=WHY),
    *changing("sua", NEW_TEXT, (*UNSENT, *ENDED)),
    *changing("doi-gio", LATER),
)
UNCONFIRMED = {(path, S.SUBMITTED): 403 for path in ("trinh", "duyet", "sua", "doi-gio")}
"""The answer to an act that waits for the unit's word; any other act out of turn gets 409."""


@pytest.fixture
async def staffed(desk):
    async with open_staffed_items(desk) as opened:
        yield opened


class Item(NamedTuple):
    """An item, and the log's record of it before anything was tried."""

    content_id: str
    before: Recorded

    async def is_same(self, log: EditorialLog) -> bool:
        """Whether no act came behind the record."""
        return await log.read(self.content_id, self.before) == self.before


async def brought(staffed: StaffedItems, step: str, role: str, case: Case) -> Item:
    content_id = await staffed.item(step, case, staffed.accounts[role, case.scope])
    return Item(content_id, await staffed.log.read(content_id))


async def send(staffed: StaffedItems, form: Form, item: Item, role: str, case: Case) -> int:
    """The status of the answer to a form with a right seal, which no page was opened for."""
    fields = {"act_id": secrets.token_hex(16), "hash": item.before.state.hash, **form.fields}
    if "topic" in fields:
        fields["topic"] = case.topic
    path = f"/tin/{item.content_id}/{form.path}"
    return (await staffed.browsers[role, case.scope].post(path, **fields)).status_code


async def try_form(staffed: StaffedItems, form: Form, cell: tuple[str, str, Case]) -> str:
    """Fault in the answer to a form; empty for none."""
    step, role, case = cell
    account, said = staffed.accounts[role, case.scope], f"{form.path}, {step}, {role}, {case.name}"
    item = await brought(staffed, step, role, case)
    answer = await send(staffed, form, item, role, case)
    if not form.allows(role, case):
        is_same = await item.is_same(staffed.log)
        return "" if answer == 403 and is_same else f"{said}: {answer}, not refused"
    staffed.use_up(item.content_id)
    act = (await staffed.log.history(item.content_id))[1][-1]
    is_done = (act.kind, act.by, act.role) == (form.kind, account, role)
    return "" if answer == 303 and is_done else f"{said}: {answer}, not done"


async def test_an_act_is_open_to_whom_the_roles_and_four_eyes_leave_it(staffed):
    wrong = [await try_form(staffed, form, cell) for form in FORMS for cell in form.cells()]
    assert list(filter(None, wrong)) == []
    assert len(wrong) > 1000


def out_of_turn() -> Iterator[tuple[Form, str]]:
    """Each form at each step at which no one may use it."""
    for form in {one.path: one for one in FORMS}.values():
        used_at = {step for one in FORMS if one.path == form.path for step in one.at}
        yield from ((form, step) for step in WAYS.keys() - used_at)


async def test_an_act_out_of_turn_changes_nothing_whoever_may_do_it_else(staffed):
    wrong = []
    for form, step in out_of_turn():
        rights = [one.right for one in FORMS if one.path == form.path]
        case = WRITTEN if form.path == "bo" and step != RECEIVED else ANOTHERS
        for role in {role for right in rights for role in right if case.is_reached(READ, role)}:
            item = await brought(staffed, step, role, case)
            answer = await send(staffed, form, item, role, case)
            is_same = await item.is_same(staffed.log)
            if not is_same or answer != UNCONFIRMED.get((form.path, step), 409):
                wrong.append(f"{form.path}, {step}, {role}: {answer}, {is_same}")
    assert wrong == []


class Page(NamedTuple):
    """A page of an item, or a form that changes nothing of it: the right to it, and its answer."""

    method: str
    path: str
    right: Right = READ
    answer: int = 200


PAGES = (
    Page("GET", "/tin/{}"),
    Page("GET", "/tin/{}/duyet"),
    Page("GET", "/tin/{}/sua", EDIT),
    Page("GET", "/tin/{}/xem-truoc"),
    Page("GET", "/tin/{}/xem-truoc/khung"),
    Page("GET", "/tin/{}/se-toi-ai"),
    Page("GET", "/tin/{}/dang-gui", WATCH, 404),
    Page("GET", "/tin/{}/dang-gui/dong", WATCH, 404),
    Page("POST", "/tin/{}/se-toi-ai", answer=422),
    Page("POST", "/tin/{}/lien-ket", EDIT, 303),
    Page("POST", "/soan/{}/giu-tam", WRITE),
    Page("POST", "/soan/{}/co-mat", WRITE),
)
"""Of an item that is not released: it has no delivery. A trial tells people without an address."""


def expected(page: Page, role: str, case: Case) -> int:
    """The status of the answer; readers of a text who may not edit it get 303 to its page."""
    if page.answer == 404:
        return 404 if role in page.right else 403
    if role not in page.right or not case.is_reached(READ, role):
        is_sent_on = page.path.endswith("/sua") and case.is_reached(READ, role)
        return 303 if is_sent_on else 403
    return page.answer


async def test_a_page_is_open_to_who_may_read_the_item(staffed):
    wrong, step = [], S.UNIT_CONFIRMED
    cells = [
        (page, role, case)
        for page in PAGES
        for role in ROLES
        for case in (cases_at(step) if role in WATCH else (ANOTHERS,))
        if case.did is not K.CONFIRM  # six of the link checks a minute are enough for an account
    ]
    for page, role, case in cells:
        account, browser = staffed.accounts[role, case.scope], staffed.browsers[role, case.scope]
        path = page.path.format(await staffed.item(step, case, account))
        answer = await (browser.get(path) if page.method == "GET" else browser.post(path))
        if answer.status_code != expected(page, role, case):
            wrong.append(f"{page.method} {page.path}, {role}, {case.name}: {answer.status_code}")
    assert wrong == []


DRY_RUN = Page("GET", "/tin/{}/se-toi-ai")
OF_READERS = (
    Page("GET", "/tin/{}/xem-truoc/khung"),
    Page("GET", "/tin/{}/dang-gui", WATCH),
    DRY_RUN,
)


async def carry_out(staffed: StaffedItems, intake: Intake, behind: int = 0) -> int:
    """Carry the acts *behind* a message out, as they come; returns the number of the last."""
    async for message in staffed.desk.bus.scan(subjects.EDITORIAL.name, start=behind + 1):
        await intake.on_act(message)
        behind = message.seq
    return behind


async def wrong_answers(staffed: StaffedItems, *, is_seen: bool) -> list[str]:
    """Pages that are not open to the roles of their route, or else to those with a right alone."""
    wrong = []
    for page, role in product(OF_READERS, ROLES):
        for case in cases_at(S.APPROVED) if role in WATCH else (ANOTHERS,):
            content_id = await staffed.item(S.APPROVED, case, staffed.accounts[role, case.scope])
            browser = staffed.browsers[role, case.scope]
            answer = (await browser.get(page.path.format(content_id))).status_code
            is_open = is_seen and page is not DRY_RUN
            may = role in page.right if is_open else case.is_reached(page.right, role)
            if answer != (200 if may else 403):
                wrong.append(f"{page.path}, {role}, {case.name}: {answer}")
    return wrong


async def test_what_readers_see_is_open_to_all_staff_and_nothing_once_it_is_withdrawn(staffed):
    intake = Intake(staffed.desk.bus, DEFAULT, staffed.desk.clock)
    for (role, scope), account in staffed.accounts.items():
        for case in cases_at(S.APPROVED):
            if case.scope == scope and (role in WATCH or case is ANOTHERS):
                await staffed.item(S.APPROVED, case, account)
    released = await carry_out(staffed, intake)
    assert await wrong_answers(staffed, is_seen=True) == []
    for content_id in staffed.untouched.values():
        withdrawal = listed_items.step(K.WITHDRAW, "ai", id=f"{DESK_ACT}go", **WHY)
        await staffed.log.act(content_id, withdrawal)
    await carry_out(staffed, intake, released)
    assert await wrong_answers(staffed, is_seen=False) == []
