"""Who may do what: the roles of `roles.toml`, and the decision about an account and an action."""

import tomllib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum, IntEnum
from functools import cache, cached_property
from itertools import combinations
from pathlib import Path
from typing import NamedTuple, Protocol

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from consumers.messages import field_error
from contracts import text
from contracts.desk.person import NamedAccount
from contracts.desk.roles import READ_DRAFTS, RoleTable, ShownAction, ShownRole
from contracts.errors import Bilingual, FieldError, Invalid, unknown_word_values

_ROLES_FILE = Path(__file__).with_name("roles.toml")
_ROLES_FIELD = "roles.toml"
_WITH = "with "
_FOUR_EYES = frozenset({"approve", "approve-urgent"})
"""Actions that no roles file may allow to the author of an item."""


class Condition(Enum):
    """A condition of a permission, as `roles.toml` writes it."""

    OWN_UNIT = "own unit"
    OWN_ITEM = "own item"
    NOT_OWN = "not own"
    NOT_LAST_EDITED = "not last edited"
    TWO_PEOPLE = "two people"


class Verdict(IntEnum):
    """A decision, from worst to best; the best one of an account's roles counts."""

    REFUSED = 0
    NEEDS_SECOND = 1
    ALLOWED = 2


class Ruling(NamedTuple):
    """A decision: the code of its reason, the account's role, and the role of a missing partner.

    `agreed`: who has done their half of an action for two.
    """

    verdict: Verdict
    reason: str = ""
    role: str = ""
    partner: str = ""
    agreed: "tuple[Agreement, ...]" = ()


class Grant(BaseModel):
    """A role of an account: for all units and topics, or only for those named."""

    model_config = ConfigDict(frozen=True)

    role: str
    units: tuple[str, ...] = ()
    topics: tuple[str, ...] = ()

    @classmethod
    def parse(cls, written: str) -> "Grant":
        """Read `ROLE`, `ROLE/units=A,B` or `ROLE/topics=A,B`. Raises Invalid."""
        role, *scopes = written.split("/")
        parts: dict[str, tuple[str, ...]] = {}
        for scope in scopes:
            kind, mark, ids = scope.partition("=")
            if kind not in ("units", "topics") or not mark or not ids:
                raise Invalid(field_error("role", "scope_unreadable", value=written))
            parts[kind] = tuple(ids.split(","))
        return cls(role=role, **parts)

    @property
    def text(self) -> str:
        """The grant as commands write it."""
        scopes = (("units", self.units), ("topics", self.topics))
        return "/".join([self.role, *(f"{kind}={','.join(ids)}" for kind, ids in scopes if ids)])

    def covers(self, facts: "ObjectFacts") -> bool:
        in_units = not self.units or facts.unit in self.units
        return in_units and (not self.topics or facts.topic in self.topics)

    def overlaps(self, other: "Grant") -> bool:
        """Whether one item can fall under both grants."""
        pairs = ((self.units, other.units), (self.topics, other.topics))
        return all(not (one and two) or set(one) & set(two) for one, two in pairs)


class Agreement(NamedTuple):
    """An account that has already done its half of an action for two."""

    account: str
    role: str
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class ObjectFacts:
    """The facts of an object that decisions depend on.

    `writers`: author and submitter, `last_editor`: of the present text; each an account's id, or a
    name where a unit's system names people. `earlier_writers`: of all texts; a person's own item
    stays so when others correct it. `partners`: the units that co-operate in a campaign, whose
    people read it as one of their own.
    """

    unit: str = ""
    topic: str = ""
    writers: frozenset[str] = frozenset()
    last_editor: str = ""
    agreed: tuple[Agreement, ...] = ()
    earlier_writers: frozenset[str] = frozenset()
    partners: tuple[str, ...] = ()

    def for_action(self, action: str) -> "tuple[ObjectFacts, ...]":
        """The facts of which one is enough: for reading, also those of each partner's own item."""
        if action != READ_DRAFTS:
            return (self,)
        return (self, *(ObjectFacts(unit, self.topic) for unit in self.partners))


class Person(NamedAccount, Protocol):
    """An account, as far as decisions depend on it."""

    @property
    def grants(self) -> tuple[Grant, ...]: ...
    @property
    def is_active(self) -> bool: ...


def is_same_person(person: Person, named: str) -> bool:
    """Whether *named*, an id or a name, is this person; names match without marks and case."""
    return any(text.is_same_name(own, named) for own in (person.id, person.name))


@dataclass(frozen=True, slots=True)
class Permission:
    """The conditions under which a role may do an action."""

    conditions: frozenset[Condition] = frozenset()
    with_role: str = ""

    @property
    def written(self) -> tuple[str, ...]:
        """The conditions as `roles.toml` writes them."""
        partner = (f"{_WITH}{self.with_role}",) if self.with_role else ()
        return (*sorted(one.value for one in self.conditions), *partner)

    @classmethod
    def parse(cls, written: str) -> "Permission":
        """Read conditions as `roles.toml` writes them. Raises ValueError."""
        parts = [part.strip() for part in written.split(",")]
        partners = [part.removeprefix(_WITH) for part in parts if part.startswith(_WITH)]
        named = [part for part in parts if not part.startswith(_WITH) and part != "yes"]
        return cls(frozenset(map(Condition, named)), *partners[:1])


class Ability(NamedTuple):
    """A permission of a role: the action in Vietnamese, and the conditions of `roles.toml`."""

    action: str
    name: str
    conditions: tuple[str, ...]


class _ActionEntry(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    en: str
    vi: str
    step_up: bool = False


class _RoleEntry(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    en: str
    vi: str
    second_factor: bool = False
    may: dict[str, str] = {}


class _RolesFile(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    actions: dict[str, _ActionEntry]
    roles: dict[str, _RoleEntry]
    apart: tuple[tuple[str, str], ...] = ()
    apart_for_one_item: tuple[tuple[str, str], ...] = ()
    many_readers: int = Field(default=100_000, ge=0)


class _Case(NamedTuple):
    """One grant of an account, judged for one object."""

    person: Person
    grant: Grant
    facts: ObjectFacts


def _is_other_unit(case: _Case) -> bool:
    return case.facts.unit not in (case.grant.units or (case.person.unit,))


def _is_own(case: _Case) -> bool:
    return any(is_same_person(case.person, writer) for writer in case.facts.writers)


def _is_not_own(case: _Case) -> bool:
    """Whether the item is another's to read: a name counts in its unit alone, an id anywhere."""
    writers = case.facts.writers | case.facts.earlier_writers
    if not _is_other_unit(case):
        return not any(is_same_person(case.person, one) for one in writers)
    return not any(text.is_same_name(case.person.id, one) for one in writers)


def _is_last_editor(case: _Case) -> bool:
    editor = case.facts.last_editor
    return bool(editor) and is_same_person(case.person, editor)


_REFUSALS: Mapping[Condition, tuple[str, Callable[[_Case], bool]]] = {
    Condition.OWN_UNIT: ("staff_other_unit", _is_other_unit),
    Condition.OWN_ITEM: ("staff_not_own_item", _is_not_own),
    Condition.NOT_OWN: ("staff_own_item", _is_own),
    Condition.NOT_LAST_EDITED: ("staff_last_edited", _is_last_editor),
}
"""By condition: the reason of a refusal, and when it is given."""


@dataclass(frozen=True)
class Policy:
    """Roles, actions and the permissions between them."""

    file: _RolesFile
    permissions: Mapping[tuple[str, str], Permission] = field(default_factory=dict)

    @classmethod
    def parse(cls, toml: str) -> "Policy":
        """Read a roles file. Raises Invalid for an unusable one."""
        try:
            file = _RolesFile.model_validate(tomllib.loads(toml))
            permissions = {
                (name, action): Permission.parse(written)
                for name, role in file.roles.items()
                for action, written in role.may.items()
            }
        except (ValidationError, ValueError) as wrong:
            detail = str(wrong).splitlines()[0]
            raise Invalid(field_error(_ROLES_FIELD, "roles_unreadable", detail=detail)) from wrong
        policy = cls(file, permissions)
        if wrong_names := policy.find_faults():
            names = ", ".join(wrong_names)
            raise Invalid(field_error(_ROLES_FIELD, "roles_unreadable", detail=names))
        return policy

    def find_faults(self) -> list[str]:
        """Unknown names, and permissions to approve an item of one's own."""
        pairs = (*self.file.apart, *self.file.apart_for_one_item)
        partners = {one.with_role for one in self.permissions.values() if one.with_role}
        roles = {role for pair in pairs for role in pair} | partners
        faults = [f"role {role}" for role in sorted(roles - self.file.roles.keys())]
        needed = {Condition.NOT_OWN, Condition.NOT_LAST_EDITED}
        for (role, action), permission in self.permissions.items():
            if action not in self.file.actions:
                faults.append(f"action {action}")
            if action in _FOUR_EYES and not needed <= permission.conditions:
                faults.append(f"{role} may {action} without: not own, not last edited")
        return faults

    def is_allowed(self, person: Person, action: str, facts: ObjectFacts) -> Ruling:
        """Decide whether *person* may do *action*. Raises KeyError for an unknown action."""
        _ = self.file.actions[action]
        if not person.is_active:
            return Ruling(Verdict.REFUSED, "staff_not_active")
        if self.conflicting_roles(person.grants):
            return Ruling(Verdict.REFUSED, "staff_roles_apart")
        rulings = [
            self._judge(_Case(person, grant, one), action)
            for one in facts.for_action(action)
            for grant in person.grants
            if (grant.role, action) in self.permissions
        ]
        return max(
            rulings, key=lambda one: one.verdict, default=Ruling(Verdict.REFUSED, "staff_no_role")
        )

    def _judge(self, case: _Case, action: str) -> Ruling:
        role = case.grant.role
        permission = self.permissions[role, action]
        if reason := self._refusal(case, permission):
            return Ruling(Verdict.REFUSED, reason, role)
        others = [one for one in case.facts.agreed if one.account != case.person.id]
        if permission.with_role and permission.with_role not in {one.role for one in others}:
            return Ruling(Verdict.NEEDS_SECOND, "staff_needs_partner", role, permission.with_role)
        is_pair = any((one.role, action) in self.permissions for one in others)
        if Condition.TWO_PEOPLE in permission.conditions and not is_pair:
            return Ruling(Verdict.NEEDS_SECOND, "staff_needs_second", role)
        return Ruling(Verdict.ALLOWED, role=role)

    def _refusal(self, case: _Case, permission: Permission) -> str:
        if not case.grant.covers(case.facts):
            return "staff_out_of_scope"
        if self._holds_opposite_role(case):
            return "staff_opposite_role"
        found = (_REFUSALS[one] for one in _REFUSALS if one in permission.conditions)
        return next((reason for reason, is_met in found if is_met(case)), "")

    def _holds_opposite_role(self, case: _Case) -> bool:
        """Whether the account also has, for this item, a role that is kept apart from this one."""
        covering = {one.role for one in case.person.grants if one.covers(case.facts)}
        pairs = map(set, self.file.apart_for_one_item)
        return any(case.grant.role in pair and pair <= covering for pair in pairs)

    def has_action(self, person: Person, action: str) -> bool:
        """Whether a role of *person* may do *action* at all, on some object.

        Raises KeyError for an unknown action.
        """
        _ = self.file.actions[action]
        if not person.is_active or self.conflicting_roles(person.grants):
            return False
        return any((grant.role, action) in self.permissions for grant in person.grants)

    def abilities(self, grants: Iterable[Grant]) -> list["Ability"]:
        """The permissions of roles, in the order of the roles file."""
        found: dict[str, Ability] = {}
        for grant in grants:
            for (role, action), permission in self.permissions.items():
                if role == grant.role and action not in found:
                    entry = self.file.actions[action]
                    found[action] = Ability(action, entry.vi, permission.written)
        return [found[action] for action in self.file.actions if action in found]

    @cached_property
    def role_table(self) -> RoleTable:
        """Every role and every action, for people."""
        roles = [ShownRole(id, one.vi, one.second_factor) for id, one in self.file.roles.items()]
        actions = [
            ShownAction(
                id,
                action.vi,
                action.step_up,
                {role: one.written for (role, name), one in self.permissions.items() if name == id},
            )
            for id, action in self.file.actions.items()
        ]
        return RoleTable(roles, actions)

    def role_names(self) -> dict[str, str]:
        """The roles in Vietnamese, by id."""
        return {id: role.vi for id, role in self.file.roles.items()}

    def refusal(self, ruling: Ruling, action: str) -> FieldError:
        """Why *ruling* does not allow *action*; in Vietnamese the role has its name."""
        role = ruling.partner or ruling.role
        named = Bilingual(role, self.role_names().get(role, role))
        return field_error(action, ruling.reason, role=named)

    def approval_action(self, *, is_urgent: bool, reach: int) -> str:
        """The action of an approval: another one for what is urgent or can reach very many."""
        is_large = reach > self.file.many_readers
        return "approve-urgent" if is_urgent or is_large else "approve"

    def needs_step_up(self, action: str) -> bool:
        return self.file.actions[action].step_up

    def needs_second_factor(self, grants: Iterable[Grant]) -> bool:
        return any(self.file.roles[one.role].second_factor for one in grants)

    def conflicting_roles(self, grants: Sequence[Grant]) -> tuple[str, str] | None:
        """Two roles of *grants* that one account never holds together."""
        held = {one.role for one in grants}
        return next((pair for pair in self.file.apart if held >= set(pair)), None)

    def check_grants(self, grants: Sequence[Grant]) -> None:
        """Check what an account is about to be given. Raises Invalid."""
        roles = tuple(self.file.roles)
        for grant in grants:
            if grant.role not in self.file.roles:
                words = unknown_word_values(grant.role, roles)
                raise Invalid(field_error("role", "role_unknown", **words))
        if pair := self.conflicting_roles(grants) or self._overlapping_roles(grants):
            raise Invalid(field_error("role", "roles_together", one=pair[0], other=pair[1]))

    def _overlapping_roles(self, grants: Sequence[Grant]) -> tuple[str, str] | None:
        pairs = list(map(set, self.file.apart_for_one_item))
        for one, other in combinations(grants, 2):
            if {one.role, other.role} in pairs and one.overlaps(other):
                return one.role, other.role
        return None


@cache
def default_policy() -> Policy:
    """The roles that ship with Loa."""
    return Policy.parse(_ROLES_FILE.read_text("utf-8"))


def load_policy(folder: Path) -> Policy:
    """The operator's roles in `<folder>/roles.toml`, else those that ship with Loa.

    An empty file is none: container stacks mount a file that exists.
    """
    path = folder / _ROLES_FIELD
    text = path.read_text("utf-8") if path.exists() else ""
    return Policy.parse(text) if text.strip() else default_policy()
