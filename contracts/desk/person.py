"""A person who is signed in, as the services behind the desk's pages see them."""

from collections.abc import Awaitable, Callable
from typing import NamedTuple, Protocol, TypeVar

T = TypeVar("T")


class DeskAct(NamedTuple):
    """An act as the audit log names it. *unit*: of the object, for the check of roles."""

    name: str
    object: str = ""
    unit: str = ""
    reason: str = ""
    after: str = ""


class NamedAccount(Protocol):
    """The account of a person."""

    @property
    def id(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def unit(self) -> str: ...


class ActingPerson(Protocol):
    """A person who acts, at the desk or at a terminal."""

    @property
    def account(self) -> NamedAccount: ...

    async def perform(self, act: DeskAct, work: Callable[[], Awaitable[T]]) -> T:
        """Do *work* if the person may, with intent and outcome in the audit log.

        Raises Unauthorized, Forbidden, BusError, and what *work* raises.
        """
        ...


class Person(ActingPerson, Protocol):
    """A person who is signed in, and what the roles let them see."""

    def may(self, action: str) -> bool: ...
    def may_read(self, name: str, unit: str = "") -> bool:
        """Whether the person may see what the reading act *name* shows of a unit."""
        ...

    def require_read(self, name: str, unit: str = "") -> None:
        """Raises Forbidden, with the reason, where `may_read` says no."""
        ...

    def may_do(self, name: str, unit: str = "") -> bool:
        """Whether the person may do the act *name* on an object of a unit."""
        ...

    async def record(self, act: DeskAct) -> None:
        """Record an act that only reads, before its answer. Raises as `perform`."""
        ...
