"""The state of an item, and what it says about the people who may act on it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from contracts.editorial.action import GIVEN_UP, Action, EditorialText, name_hash
from contracts.editorial.action import ActionKind as Kind
from contracts.editorial.moves import MOVES, UNDECIDED, Status


@dataclass(frozen=True)
class ItemState:
    """An item after its acts.

    `status` says where the newest revision is, `out` which revision is out (0: none), and `ended`
    up to which revision a withdrawal took all from readers. One that is out by `NOT_RELEASED` says
    what readers have, who got it with an earlier one.
    `last_change`: the act that brought the present status or text.
    `writers_of`: who wrote or sent each revision. `wrote`: who wrote each text, by its hash.
    `name_hashes`: of the names that the accounts had, by their ids.
    `approved`: the texts that were approved and are not yet out, by revision. `approvers_of`: who
    of the Center checked and approved each revision. `published`: the
    hashes of those that were. `by_rule`: the revisions that a rule approved. `settled`: the newest
    revision whose rejection is carried out.
    `head`: the digest of the last act.
    """

    status: Status | None = None
    revision: int = 0
    text: EditorialText | None = None
    hash: str = ""
    last_change: Action | None = None
    writers_of: Mapping[int, frozenset[str]] = field(default_factory=dict)
    wrote: Mapping[str, frozenset[str]] = field(default_factory=dict)
    name_hashes: Mapping[str, frozenset[str]] = field(default_factory=dict)
    last_editor: str = ""
    unit_checker: str = ""
    center_checker: str = ""
    approved: Mapping[int, EditorialText] = field(default_factory=dict)
    approvers_of: Mapping[int, frozenset[str]] = field(default_factory=dict)
    published: Mapping[int, str] = field(default_factory=dict)
    by_rule: frozenset[int] = frozenset()
    out: int = 0
    ended: int = 0
    settled: int = 0
    head: str = ""
    ids: frozenset[str] = frozenset()

    @property
    def writers(self) -> frozenset[str]:
        """Who wrote or sent the newest revision."""
        return self.writers_of.get(self.revision, frozenset())

    @property
    def going_out(self) -> frozenset[int]:
        """The revisions that are out or approved, and that no withdrawal has reached."""
        return frozenset(one for one in {*self.published, *self.approved} if one > self.ended)

    @property
    def withdrawable(self) -> int:
        """The revision that a withdrawal takes back: what readers have, else will have; 0: none."""
        return self.out or max(self.going_out, default=0)

    @property
    def out_hash(self) -> str:
        """The hash of the text that a withdrawal takes back; empty without one."""
        return self.hash_of(self.withdrawable) if self.withdrawable else ""

    def hash_of(self, revision: int) -> str:
        """The hash of a revision's text; empty for one that is neither newest nor approved."""
        if revision == self.revision:
            return self.hash
        approved = self.approved.get(revision)
        return approved.hash if approved else self.published.get(revision, "")

    def has_approved(self, hash: str) -> bool:
        """Whether a text was approved, and waits to go out or has gone."""
        return hash in {*self.published.values(), *(one.hash for one in self.approved.values())}

    @property
    def is_undecided(self) -> bool:
        """Whether the newest revision waits for a person."""
        return self.status in UNDECIDED

    @property
    def has_open_rejection(self) -> bool:
        """Whether the newest revision was rejected, and that is to be carried out."""
        is_rejected = self.last_change is not None and self.last_change.kind is Kind.REJECT
        return is_rejected and self.settled < self.revision

    @property
    def is_given_up(self) -> bool:
        """Whether who wrote the newest revision gave it up before it was sent."""
        return self.last_change is not None and self.last_change.code == GIVEN_UP

    @property
    def is_unfinished(self) -> bool:
        """Whether a person or Loa has to act, or a decision is to be carried out."""
        return self.is_undecided or bool(self.approved) or self.has_open_rejection


def is_checkpoint(kind: Kind, state: ItemState) -> bool:
    """Whether a person answers by an act of *kind* that nothing secret is in the text.

    An approval is the Center's checkpoint of a text that no editor has answered for: it came from a
    unit's system, or was edited after its proposal.
    """
    is_unread = state.status is Status.SUBMITTED and bool(state.unit_checker)
    asks_approver = is_unread or _is_edited_proposal(state)
    return kind in (Kind.CONFIRM, Kind.PROPOSE) or (kind is Kind.APPROVE and asks_approver)


def _is_edited_proposal(state: ItemState) -> bool:
    """Whether the text that waits for approval was edited after its proposal."""
    last = state.last_change
    is_edited = last is not None and last.kind is Kind.EDIT
    return is_edited and state.status is Status.PENDING_APPROVAL


def people_barred(state: ItemState, kind: Kind) -> frozenset[str]:
    """The people who may not do an act of *kind*, because of what they did to the item before."""
    wrote = state.writers | state.wrote.get(state.hash, frozenset())
    if kind is Kind.CONFIRM:
        return wrote
    if kind is Kind.APPROVE:
        return wrote | {state.unit_checker, state.center_checker, state.last_editor}
    if kind in (Kind.EDIT, Kind.PROPOSE):
        is_last_check = MOVES.get((state.status, kind)) is Status.PENDING_APPROVAL
        return frozenset[str]({state.unit_checker} if is_last_check else ())
    if kind is Kind.WITHDRAW:
        return state.writers_of.get(state.out, frozenset())
    return frozenset()


def hashes_of(state: ItemState, people: Iterable[str]) -> frozenset[str]:
    """Hashes of ids and names, and of the names of accounts."""
    named = (state.name_hashes.get(one, frozenset()) | {name_hash(one)} for one in people)
    return frozenset[str]().union(*named)
