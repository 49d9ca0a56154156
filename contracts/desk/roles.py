"""The roles and what each may do, as the desk shows them to each person who is signed in."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

READ_DRAFTS = "read-drafts"
"""The action of `roles.toml` that permits reading texts that are not public."""


class ShownRole(NamedTuple):
    """A role by its name in Vietnamese."""

    id: str
    name: str
    needs_second_factor: bool


class ShownAction(NamedTuple):
    """An action. *by_role*: of roles that may do it, the conditions as `roles.toml` has them."""

    id: str
    name: str
    needs_step_up: bool
    by_role: Mapping[str, Sequence[str]]


class RoleTable(NamedTuple):
    """Every role and every action, in the order of the roles file."""

    roles: Sequence[ShownRole]
    actions: Sequence[ShownAction]
