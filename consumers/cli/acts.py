"""Acts of commands: who acts, which action of `roles.toml` it takes, the audit log's record."""

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated, Any, NamedTuple, TypeVar

import typer
from pydantic import BaseModel

from consumers.app.instance import COMMAND_TIMEOUT_S, BusUse
from consumers.audit import log as audit
from consumers.cli.authorization import (
    BREAK_GLASS,
    Exceptions,
    Staff,
    acting_person,
    reading_right,
)
from consumers.cli.output import print_answer, print_bilingual, require_name, run_on_bus
from consumers.cli.stores import open_suppressions
from consumers.messages import field_error
from consumers.staff.authorization import ACTIONS, READS, Act, Actor, ReadingRight
from consumers.staff.policy import ObjectFacts
from contracts.delivery import ChannelName
from contracts.desk.person import DeskAct, NamedAccount
from contracts.errors import Invalid
from producers.bus import Bus

T = TypeVar("T")
By = Annotated[
    str,
    typer.Option(
        "--by",
        metavar="NAME",
        help="Break-glass: a name in place of the account of `loa login`.",
    ),
]
_BY_ACCOUNT_ALONE = frozenset({"file.upload"})
"""Acts that need a person's account or name even where no account exists yet."""
_BY_TIMERS = frozenset({"backup"})
"""Acts that the user who runs Loa may do without an account, as a timer does."""


class Command(NamedTuple):
    """Act that a command is about to do. *by*: a name in place of an account."""

    name: str
    object: str = ""
    by: str = ""
    after: str = ""
    reason: str = ""
    facts: ObjectFacts = ObjectFacts()
    arguments: Any = None
    """Arguments that a second person's act has to repeat, where another door names them, too."""

    @property
    def act(self) -> Act:
        """The action for the check of roles; a second person's differs in the reason at most."""
        arguments = self.arguments or [self.name, self.object, self.after]
        return Act(ACTIONS[self.name], self.facts, arguments)

    def to_record(self, actor: Actor) -> audit.Act:
        """The act as the audit log records it."""
        return audit.Act(
            self.name,
            self.object,
            actor.by,
            after=self.after,
            reason=self.reason,
            role=actor.role,
            session=actor.session,
        )


async def check(bus: Bus, command: Command) -> Actor:
    """The person who acts, and may. Raises Unauthorized, Forbidden."""
    exceptions = Exceptions(command.name in _BY_ACCOUNT_ALONE, command.name in _BY_TIMERS)
    return await acting_person(bus, command.act, command.by, exceptions)


async def perform(bus: Bus, command: Command, work: Callable[[Actor], Awaitable[T]]) -> T:
    """Do *work* as the person who may, with its intent and its outcome in the audit log.

    Raises Unauthorized, Forbidden, and what *work* raises.
    """
    actor = await check(bus, command)
    act = command.to_record(actor)
    return await audit.AuditLog(bus, time.time).perform(act, lambda: work(actor))


async def perform_item_act(bus: Bus, act: audit.Act, work: Callable[[], Awaitable[T]]) -> T:
    """Do *work* on an item; the editorial log has it, and the audit log without a session, too."""
    if act.session:
        return await work()
    return await audit.AuditLog(bus, time.time).perform(act, work)


class NamedPerson(NamedTuple):
    """A name in place of an account."""

    id: str
    name: str
    unit: str = ""


@dataclass(frozen=True)
class TerminalPerson:
    """The person at this terminal, as the services behind the desk's pages see them."""

    bus: Bus
    account: NamedAccount
    by: str = ""

    @classmethod
    async def of(cls, bus: Bus, by: str) -> "TerminalPerson":
        """The signed-in account, or *by* in place of one. Raises Unauthorized, Invalid."""
        if by:
            return cls(bus, NamedPerson(by, by), by)
        return cls(bus, (await Staff.open(bus).require_signed_in()).account)

    async def perform(self, act: DeskAct, work: Callable[[], Awaitable[T]]) -> T:
        """Do *work* if the person may, as `perform` does."""
        facts = ObjectFacts(act.unit)
        command = Command(act.name, act.object, self.by, act.after, act.reason, facts)
        return await perform(self.bus, command, lambda _: work())


async def record(bus: Bus, command: Command) -> None:
    """Record an act that reads, before its answer. Raises Unauthorized, Forbidden."""
    act = command.to_record(await check(bus, command))
    await audit.AuditLog(bus, time.time).record(act)


async def check_reading(bus: Bus, command: Command) -> None:
    """Check an act that only reads; as break-glass it is recorded. Raises like `check`."""
    actor = await check(bus, command)
    if actor.role == BREAK_GLASS:
        await audit.AuditLog(bus, time.time).record(command.to_record(actor))


async def look(bus: Bus, name: str, object_id: str, by: str) -> ReadingRight:
    """The right to look, of *READS*; as break-glass it is recorded. Raises like `check`."""
    right = await reading_right(bus, READS[name], by)
    if right.by:
        act = audit.Act(name, object_id, right.by, role=BREAK_GLASS)
        await audit.AuditLog(bus, time.time).record(act)
    return right


def run_audited(
    command: Command,
    work: Callable[[Bus, Actor], Awaitable[T]],
    patience_s: float = COMMAND_TIMEOUT_S,
) -> T:
    """Connect, and do *work* as `perform` does."""

    async def audited(bus: Bus) -> T:
        return await perform(bus, command, lambda actor: work(bus, actor))

    return run_on_bus(audited, patience_s, BusUse.ACT)


class LiftAnswer(BaseModel):
    """The answer of `suppressed lift`."""

    channel: ChannelName
    lifted: bool = True


def lift_suppression(
    channel: ChannelName, parse_address: Callable[[], str], by: str, as_json: bool
) -> None:
    """Lift the suppression of an address, and say so. Exit code 2 without one."""

    async def lift(bus: Bus, who: Actor) -> None:
        suppressions = await open_suppressions(bus)
        if not await suppressions.lift(channel, parse_address(), by=require_name(who.by)):
            raise Invalid(field_error("address", "not_suppressed"))

    run_audited(Command("suppressed.lift", channel, by), lift)
    answer = LiftAnswer(channel=channel)
    print_answer(answer, as_json, lambda: print_bilingual("lifted", "đã gỡ"))
