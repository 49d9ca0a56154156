"""People of each role and scope at one desk, and items at each step that they did something to."""

from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from itertools import count, product
from typing import NamedTuple

from consumers.editorial.log import EditorialLog
from consumers.intake.written import event_id
from consumers.staff.policy import Grant
from contracts.editorial import ActionKind, EditorialText, ItemState, Status
from contracts.vocabulary import REJECTIONS
from tests.support.desk_app import Browser, DeskApp
from tests.support.listed_items import Build, listed_text, publish, receive, save, step

K, S = ActionKind, Status
OFFICER, LEADER = "nguoi-gui-tin", "lanh-dao-don-vi"
EDITOR, SECRETARY = "bien-tap-vien", "thu-ky-ban-bien-tap"
DUTY, APPROVER, AUDITOR = "truc-khan", "lanh-dao-duyet", "kiem-tra-doc-lap"
OPERATOR, MANAGER, PROTECTOR = "quan-tri-kenh", "quan-tri-tai-khoan", "bao-ve-du-lieu"
ROLES = (OFFICER, LEADER, EDITOR, SECRETARY, DUTY, APPROVER, AUDITOR, OPERATOR, MANAGER, PROTECTOR)

ANY, OWN_UNIT, OWN_ITEM = "any item", "items of the own unit", "own items"
Right = Mapping[str, str]
"""The roles that have a right, and to which items."""

UNIT, OTHER_UNIT = "van-phong-bo", "vu-cai-cach-hanh-chinh"
TOPIC, OTHER_TOPIC = "cai-cach-hanh-chinh", "tuyen-dung"
SCOPES: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "all": {},
    "topics": {"topics": (TOPIC,)},
    "units": {"units": (OTHER_UNIT,)},
}
"""For what an account has its role: all that it may reach, some topics, some units."""


class Case(NamedTuple):
    """The relation of an item to a person: its unit and topic, and what the person *did* to it."""

    name: str
    did: ActionKind | None = None
    unit: str = UNIT
    topic: str = TOPIC
    scope: str = "all"

    @property
    def is_in_scope(self) -> bool:
        scope = SCOPES[self.scope]
        in_units = self.unit in scope.get("units", (self.unit,))
        return in_units and self.topic in scope.get("topics", (self.topic,))

    def is_reached(self, right: Right, role: str) -> bool:
        """Whether a person of *role* has the right to the item."""
        is_own_unit = self.unit in SCOPES[self.scope].get("units", (UNIT,))
        is_own = {ANY: True, OWN_UNIT: is_own_unit, OWN_ITEM: self.did in (K.SAVE, K.SUBMIT)}
        return role in right and self.is_in_scope and is_own[right[role]]


ANOTHERS, WRITTEN = Case("another's"), Case("written", K.SAVE)
CASES = (
    ANOTHERS,
    Case("of another unit", unit=OTHER_UNIT),
    Case("inside the topics", scope="topics"),
    Case("outside the topics", topic=OTHER_TOPIC, scope="topics"),
    Case("inside the units", unit=OTHER_UNIT, scope="units"),
    Case("outside the units", scope="units"),
    WRITTEN,
    Case("written, of another unit", K.SAVE, unit=OTHER_UNIT),
    Case("written, outside the topics", K.SAVE, topic=OTHER_TOPIC, scope="topics"),
    Case("sent", K.SUBMIT),
    Case("confirmed", K.CONFIRM),
    Case("last edited", K.EDIT),
    Case("proposed", K.PROPOSE),
)

RECEIVED = "received from the unit's system"
_SENT = (K.SAVE, K.SUBMIT)
_EDITED = (*_SENT, K.CONFIRM, K.EDIT)
_PROPOSED = (*_EDITED, K.PROPOSE)
_PUBLISHED = (*_PROPOSED, K.APPROVE, K.PUBLISH)
WAYS: Mapping[str, tuple[ActionKind, ...]] = {
    RECEIVED: (K.RECEIVE,),
    S.DRAFT: (K.SAVE,),
    S.RETURNED: (*_SENT, K.RETURN),
    S.SUBMITTED: _SENT,
    S.UNIT_CONFIRMED: (*_SENT, K.CONFIRM),
    S.IN_EDIT: _EDITED,
    S.PENDING_APPROVAL: _PROPOSED,
    S.APPROVED: (*_PROPOSED, K.APPROVE),
    S.SCHEDULED: (*_PROPOSED, K.APPROVE, K.SCHEDULE),
    S.PUBLISHED: _PUBLISHED,
    S.REJECTED: (*_PROPOSED, K.REJECT),
    S.WITHDRAWN: (*_PUBLISHED, K.WITHDRAW),
}
"""The acts that bring an item to each step."""
WHY = {"note": "Số liệu chưa khớp."}
CODE = next(iter(REJECTIONS))


def cases_at(step: str) -> Iterator[Case]:
    """The relations to a person that an item at *step* may have."""
    return (case for case in CASES if case.did in {None, *WAYS[step]})


@dataclass
class StaffedItems:
    """The browser and the account of each role and scope, and items, made when they are needed."""

    desk: DeskApp
    browsers: Mapping[tuple[str, str], Browser]
    accounts: Mapping[tuple[str, str], str]
    numbers: Iterator[int] = field(default_factory=count)
    untouched: dict[tuple[str, Case, str], str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.log = EditorialLog(self.desk.bus)

    async def item(self, step: str, case: Case, account: str) -> str:
        """An item at *step*, in the relation *case* to *account*."""
        key = (step, case, account if case.did else "")
        if key not in self.untouched:
            self.untouched[key] = f"tin-{next(self.numbers)}"
            await bring(self.log, self.untouched[key], step, case, account)
        return self.untouched[key]

    def use_up(self, content_id: str) -> None:
        """Give an item that was changed to no one else."""
        self.untouched = {key: one for key, one in self.untouched.items() if one != content_id}


async def bring(
    log: EditorialLog, content_id: str, step: str, case: Case = ANOTHERS, account: str = ""
) -> ItemState:
    """Bring a new item to *step*, in the relation *case* to *account*."""
    state = ItemState()
    for kind in WAYS[step]:
        by = account if kind is case.did else f"ai-{kind}"
        state = await log.act(content_id, _act(kind, by, content_id, case))
    return state


def _act(kind: ActionKind, by: str, content_id: str, case: Case) -> Build:
    text, edited = (_text(content_id, case, body) for body in ("Nội dung.", "Biên tập."))
    brings = {K.SAVE: save(by, text), K.RECEIVE: receive(text), K.PUBLISH: publish()}
    more = {K.EDIT: {"text": edited}, K.RETURN: WHY, K.WITHDRAW: WHY, K.REJECT: {"code": CODE}}
    return brings.get(kind) or step(kind, by, **more.get(kind, {}))


def _text(content_id: str, case: Case, body: str) -> EditorialText:
    """A text of the desk, as an item's first revision."""
    facts = {"content_id": content_id, "revision": 1, "topic": case.topic, "body": body}
    own_id = {"event_id": event_id(case.unit, content_id, 1)}
    return listed_text(case.unit, **facts).model_copy(update=own_id)


@asynccontextmanager
async def open_staffed_items(
    desk: DeskApp, roles: Iterable[str] = ROLES
) -> AsyncIterator[StaffedItems]:
    accounts = dict[tuple[str, str], str]()
    for role, scope in product(roles, SCOPES):
        account = await desk.active(f"{role}-{scope}", role)
        await desk.accounts.set_grants(account.id, (Grant(role=role, **SCOPES[scope]),))
        accounts[role, scope] = account.id
    async with AsyncExitStack() as stack:
        browsers = dict[tuple[str, str], Browser]()
        for role, scope in accounts:
            token = await desk.session_of(f"{role}-{scope}")
            browsers[role, scope] = await stack.enter_async_context(desk.browser(token))
        yield StaffedItems(desk, browsers, accounts)
