"""Items at the desk as one person sees them, and what that person does to them.

Who may do what is said by `roles.toml`; what is possible at all by `contracts.editorial`. The log
alone keeps what was done.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any, Protocol, TypedDict

from consumers.bulletins.publications import OpenSeals, no_seals
from consumers.desk import person_lists
from consumers.desk.access import acting_facts, item_facts
from consumers.desk.history import history_lines, open_agreements
from consumers.desk.item_acts import ItemActs, lacking_fields
from consumers.desk.names import AccountNames
from consumers.desk.orders.rules import ON_THE_WAY, OrderRules, action_of
from consumers.desk.orders.service import Orders, SessionPerson
from consumers.editorial.log import EditorialLog
from consumers.messages import field_error
from consumers.staff.authorization import Act, Actor, Authorizer
from consumers.staff.policy import ObjectFacts, Verdict
from consumers.staff.sessions import SignedIn
from contracts import errors
from contracts.base.times import utc_now
from contracts.base.working_days import WorkingDays, default_working_days
from contracts.desk.editorial import ItemView, NewItem, Order
from contracts.desk.index import ItemFilter
from contracts.desk.roles import READ_DRAFTS
from contracts.desk.shown.readership import Readership, readership_of
from contracts.desk.shown.status import shown_status_of
from contracts.editorial import (
    UNSENT,
    Action,
    ActionKind,
    EditorialText,
    ItemState,
    Status,
    name_hash,
    state_after,
)
from contracts.editorial.action import GIVEN_UP
from contracts.editorial.moves import MOVES
from contracts.editorial.state import hashes_of, is_checkpoint, people_barred
from contracts.errors import ContractError, FieldError, Forbidden, Invalid, NotFound
from contracts.vocabulary import REJECTIONS, Vocabulary
from producers.bus import Bus

K = ActionKind
_ORDERED = (
    *(K.SAVE, K.SUBMIT, K.CONFIRM, K.EDIT, K.PROPOSE, K.APPROVE),
    *(K.RETURN, K.REJECT, K.WITHDRAW, K.COMMENT),
)
"""Acts that a person may order, in the order in which a text meets it."""


class Visitor(Protocol):
    """A person who is signed in."""

    @property
    def signed_in(self) -> SignedIn: ...


@dataclass(frozen=True)
class EditorialDesk:
    """The items of the log, for the people who are signed in."""

    bus: Bus
    log: EditorialLog
    rules: Authorizer
    vocabulary: Vocabulary
    days: WorkingDays = field(default_factory=default_working_days)
    open_seals: OpenSeals = no_seals

    def of(self, person: Visitor) -> "PersonAtDesk":
        return PersonAtDesk(self, person.signed_in)

    @property
    def order_rules(self) -> OrderRules:
        return OrderRules(self.bus, self.rules.policy, self.rules.clock, self.days, self.open_seals)

    @cached_property
    def names(self) -> AccountNames:
        return AccountNames(self.rules.accounts)

    @property
    def acts(self) -> ItemActs:
        return ItemActs(self.log, self.vocabulary, self.rules.clock)


@dataclass(frozen=True)
class PersonAtDesk:
    """The desk as one person sees and uses it."""

    desk: EditorialDesk
    signed_in: SignedIn

    async def view(self, content_id: str) -> ItemView:
        """Raises NotFound, Forbidden for an item that the person may not read, BusError."""
        state, acts = await self.desk.log.history(content_id)
        if state.text is None:
            raise NotFound(field_error("content_id", "item_unknown", value=content_id))
        self._require(READ_DRAFTS, state)
        barred = {kind: self._bar(kind, state) for kind in _ORDERED if _is_next(kind, state)}
        names = await self.desk.names.all()
        open_to = (self.desk.order_rules, self.desk.rules.proposals)
        halves = await open_agreements(*open_to, content_id, state)
        agreements = await self._agreements(state, [one.account for one in halves], names)
        given = frozenset({K.APPROVE} if agreements["has_agreed"] else ())
        return ItemView(
            content_id=content_id,
            **_shown_now(acts, state, state.text, utc_now(self.desk.rules.clock)),
            revision=state.revision,
            unit=state.text.unit,
            hash=state.hash,
            is_correction="corrects_revision" in state.text.data,
            out=state.out,
            out_hash=state.out_hash,
            **_texts_shown(acts, state, state.text),
            possible=frozenset(kind for kind, reason in barred.items() if reason == "") - given,
            barred={kind: reason for kind, reason in barred.items() if reason},
            history=history_lines(acts, names, state, halves),
            **agreements,
            is_checked_by_approval=is_checkpoint(K.APPROVE, state),
        )

    async def _agreements(
        self, state: ItemState, agreed: Sequence[str], names: Mapping[str, str]
    ) -> dict[str, Any]:
        """Who has agreed to the approval; for a person who has, who else may."""
        is_mine = self.account_id in agreed
        return {
            "agreed": tuple(names.get(one, one) for one in agreed),
            "has_agreed": is_mine,
            "may_agree": await self._may_agree(state, agreed) if is_mine else (),
        }

    async def require_readable(self, content_id: str) -> None:
        """Raises Forbidden for an item that the person may not read; an unknown id passes."""
        state = (await self.desk.log.read(content_id)).state
        if state.text is not None:
            self._require(READ_DRAFTS, state)

    async def refusals(self, item: ItemView) -> dict[ActionKind, Sequence[FieldError]]:
        """Fields that the newest text lacks for the person's next acts on its way to readers."""
        kinds = sorted(item.possible & ON_THE_WAY)
        state = (await self.desk.log.read(item.content_id)).state if kinds else ItemState()
        rules, name = self.desk.order_rules, item.content_id
        found = {kind: await rules.lacks(Order(name, kind, ""), state) for kind in kinds}
        return {kind: errors for kind, errors in found.items() if errors}

    @property
    def waiting(self) -> ItemFilter:
        """Items that wait for the person, most urgent first."""
        return person_lists.waiting_for(self.desk.rules.policy, self.signed_in.account)

    @property
    def unsent(self) -> ItemFilter:
        """The person's drafts and returned texts."""
        return person_lists.own_items(self.signed_in.account, unsent=True)

    @property
    def own(self) -> ItemFilter:
        """Items that the person wrote, sent, checked or edited."""
        return person_lists.own_items(self.signed_in.account)

    @property
    def readable(self) -> ItemFilter:
        """Items that the person may read."""
        return person_lists.readable(self.desk.rules.policy, self.signed_in.account)

    def writable_units(self) -> list[str]:
        """The units for which the person may write."""
        words = self.desk.vocabulary
        return [one for one in words.units if words.knows("unit", one) and self._may_write(one)]

    def _may_write(self, unit: str) -> bool:
        policy, account = self.desk.rules.policy, self.signed_in.account
        ruling = policy.is_allowed(account, "write", ObjectFacts(unit))
        return ruling.verdict is not Verdict.REFUSED

    async def begin(self, new: NewItem) -> str:
        """Save a new item; returns its content_id. Raises Forbidden, and as `ItemActs.begin`."""
        if not new.unit:
            raise Invalid(errors.field_error("unit", "missing"), *lacking_fields(new.data))
        facts = ObjectFacts(new.unit, str(new.data.get("topic", "")), frozenset({self.account_id}))
        role = await self._role("write", facts, [new.act_id])

        async def still(state: ItemState) -> None:  # noqa: ARG001
            await self.desk.rules.require_still(self.account_id, Act("write", facts))

        return await self.desk.acts.begin(new, self._actor(role), still)

    async def perform(self, order: Order) -> bool:
        """Do an act; False if it waits for a second person.

        Raises NotFound, Forbidden, Conflict, Invalid.
        """
        state = (await self.desk.log.read(order.content_id)).state
        if state.text is None:
            raise NotFound(field_error("content_id", "item_unknown", value=order.content_id))
        orders = Orders(self.desk.acts, self.desk.order_rules)
        person = SessionPerson(self.desk.rules, self.signed_in)
        return await orders.perform(order, state, person) is not None

    @property
    def account_id(self) -> str:
        return self.signed_in.account.id

    async def _role(self, action: str, facts: ObjectFacts, arguments: Sequence[str]) -> str:
        ruling = await self.desk.rules.decide(self.signed_in, Act(action, facts, list(arguments)))
        return ruling.role

    def _actor(self, role: str) -> Actor:
        return Actor.of(self.signed_in)._replace(role=role)

    def _require(self, action: str, state: ItemState) -> None:
        """Raises Forbidden unless the person may do *action* on the item."""
        policy = self.desk.rules.policy
        ruling = policy.is_allowed(self.signed_in.account, action, item_facts(state))
        if ruling.verdict is Verdict.REFUSED:
            raise Forbidden(policy.refusal(ruling, action))

    def _bar(self, kind: ActionKind, state: ItemState) -> str | None:
        """Why the person may not do an act now: empty if allowed, None without a role for it."""
        action = action_of(kind, state)
        policy, account = self.desk.rules.policy, self.signed_in.account
        if not policy.has_action(account, action):
            return None
        ruling = policy.is_allowed(account, action, acting_facts(state))
        if ruling.verdict is Verdict.REFUSED:
            return policy.refusal(ruling, action).message_vi
        try:
            state_after(state, self._trial(kind, state))
        except ContractError as refused:
            return refused.errors[0].message_vi
        return ""

    def _trial(self, kind: ActionKind, state: ItemState) -> Action:
        """An act with everything that its rules ask for, to see whether they let the person."""
        assert state.text is not None  # noqa: S101
        changes = kind in (K.SAVE, K.EDIT)
        text = state.text.model_copy(update={"data": {**state.text.data, _ANY_TEXT: _ANY_TEXT}})
        is_new = kind is K.SAVE and state.status not in UNSENT
        return Action(
            id=_ANY_TEXT,
            at=utc_now(self.desk.rules.clock),
            by=self.account_id,
            name_hash=name_hash(self.signed_in.account.name),
            kind=kind,
            revision=state.revision + is_new,
            hash=text.hash if changes else state.hash,
            text=text if changes else None,
            is_clean=True,
            note=_ANY_TEXT,
            code=GIVEN_UP if state.status in UNSENT else next(iter(REJECTIONS)),
            prev=state.head,
        )

    async def _may_agree(self, state: ItemState, agreed: Sequence[str]) -> tuple[str, ...]:
        """The names of those who may approve the text besides those who did."""
        action = await self.desk.order_rules.approval(state)
        policy, facts = self.desk.rules.policy, item_facts(state)
        barred = hashes_of(state, people_barred(state, K.APPROVE))
        return tuple(
            one.name
            for one in await self.desk.rules.accounts.all()
            if one.id not in agreed
            and policy.is_allowed(one, action, facts).verdict is not Verdict.REFUSED
            and not barred & {name_hash(one.id), name_hash(one.name)}
        )


_ANY_TEXT = "-"
"""In a trial, what a person would write."""


def _is_next(kind: ActionKind, state: ItemState) -> bool:
    """Whether an act is possible; what readers never had is rejected, not withdrawn."""
    is_known = kind is not K.WITHDRAW or bool(state.withdrawable)
    return is_known and (state.status, kind) in MOVES


def _texts_of(acts: Sequence[Action]) -> dict[str, Mapping[str, object]]:
    return {act.hash: act.text.data for act in acts if act.text}


class _ShownNow(TypedDict):
    status: Status
    stored_status: Status
    readers: Readership


def _shown_now(
    acts: Sequence[Action], state: ItemState, newest: EditorialText, now: datetime
) -> _ShownNow:
    """Where the newest text is at a moment, and what readers have."""
    stored = state.status or Status.DRAFT
    return {
        "status": shown_status_of(stored, newest.data, now),
        "stored_status": stored,
        "readers": readership_of(state, acts, now),
    }


class _TextsShown(TypedDict):
    data: Mapping[str, object]
    out_data: Mapping[str, object] | None
    sent_data: Mapping[str, object] | None
    texts: Mapping[str, Mapping[str, object]]


def _texts_shown(acts: Sequence[Action], state: ItemState, newest: EditorialText) -> _TextsShown:
    """The texts of an item: the newest, the one that is out, the one that was sent, and all."""
    texts = _texts_of(acts)
    return {
        "data": newest.data,
        "out_data": texts.get(state.published.get(state.out, "")),
        "sent_data": _sent_data(acts, state),
        "texts": texts,
    }


def _sent_data(acts: Sequence[Action], state: ItemState) -> Mapping[str, object] | None:
    """The newest revision's text as the unit sent it."""
    texts, sent = _texts_of(acts), None
    for act in acts:
        if act.revision == state.revision and act.kind in (K.RECEIVE, K.SUBMIT):
            sent = texts.get(act.hash)
    return sent
