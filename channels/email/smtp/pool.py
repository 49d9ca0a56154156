"""Pool of relay connections: shares mail between relays, and leaves out those that are away."""

import asyncio
import math
import time
from collections.abc import Sequence
from contextlib import suppress

import structlog

from channels.email.relays import (
    URGENT_CONNECTIONS,
    WHOLE,
    Portion,
    RelaySettings,
    load_relays,
)
from channels.email.settings import EmailSettings
from channels.email.smtp.connection import (
    END_TIMEOUT_S,
    Patience,
    SmtpConnection,
    tls_context,
)
from channels.email.smtp.relay import MAX_LAG, Loan, Relay
from channels.email.smtp.window import Envelope
from channels.errors import Busy, ChannelError, Misconfigured

log = structlog.get_logger()
IDLE_CHECK_S = 10.0
"""An idle connection is asked whether it is alive before it is used again."""
RETRY_S = 60.0
"""How long a relay is left out before it is tried again."""
_OPEN_TIMEOUT_S = 15.0
"""How long a relay may take to open where another is at hand; later it is called slow."""
SESSION_LIMIT_S = 3600.0
"""How long a relay's limit of mails in a session is believed: full disks show the same code."""
TROUBLE_LIMIT = 3
"""Mails put off one after the other that are the relay's trouble, not that of their readers."""
_MAX_TRIES = 2
"""How many relays are tried in a row when all are away."""
_TURN_PATIENCE_S = 5.0
"""How long mails wait for the limits of relays before they go back to the queue."""
_TURN_CHECK_S = 0.5
_BUSY_RETRY_S = 1.0
_MAX_CONNECTIONS = 64


class ConnectionPool:
    """Lends a connection to one task at a time, of the relay whose turn it is.

    The relay with the smallest share for its weight is next, as long as it has a free connection:
    a slow one keeps no more than its own connections busy. Raises as `load_relays`.
    """

    def __init__(self, settings: EmailSettings, request_timeout_s: float) -> None:
        self.relays = [Relay(one) for one in load_relays(settings)]
        self.request_timeout_s = request_timeout_s
        self.end_timeout_s = request_timeout_s if self.has_several else END_TIMEOUT_S
        self.open_timeout_s: float | None = None  # no limit beside that of each reply
        self.shares_limits = settings.relays_file is not None
        """Whether limits are those of all processes together; variables are of each."""
        self.portion: Portion | None = WHOLE
        has_limits = any(one.settings.has_limits for one in self.relays)
        self.chooses = self.has_several or has_limits or self.shares_limits
        """Whether the next window may go to another relay, or may have to wait."""
        self.clock = time.monotonic
        self.share = 0.0  # that of the relay whose turn was last
        self.loans: dict[SmtpConnection, Loan] = {}
        self.returned = asyncio.Event()  # set each time that a connection is given back
        self.is_closed = False

    @property
    def has_several(self) -> bool:
        return len(self.relays) > 1

    @property
    def connections(self) -> int:
        """How many sessions may be open at once; their relays keep a connection for urgent mail."""
        shared = (one.connections for one in self.relays if not one.settings.is_standby)
        return min(max(sum(shared) - URGENT_CONNECTIONS, 1), _MAX_CONNECTIONS)

    def use(self, relays: Sequence[RelaySettings]) -> None:
        """Use other passwords and limits from now on; connections at work stay as they are.

        A relay that is new, or that is gone, needs a restart.
        """
        known = {one.name: one for one in relays}
        tls_context.cache_clear()  # certificates may be new, too
        for relay in self.relays:
            relay.settings = known.get(relay.name, relay.settings)
            relay.close_idle()

    def use_portion(self, portion: Portion | None) -> None:
        """Keep to *portion* of the limits; None: use no relay for now."""
        self.portion = portion
        for relay in self.relays:
            relay.portion = portion
            relay.close_surplus()
        self.returned.set()

    async def acquire(self, mails: Sequence[Envelope] = ()) -> tuple[SmtpConnection, bool]:
        """A connection for some of *mails*, see `admitted`, and whether it is a new one.

        Raises Unreachable or Misconfigured, and Busy if all relays have as many as they may.
        """
        if not self.relays:
            raise Misconfigured("LOA_EMAIL_HOST is missing")
        tried, failure = list[Relay](), ChannelError("")
        while loan := await self.next_loan(mails, tried):
            tried.append(loan.relay)
            try:
                return await self.borrow(loan, is_last=not self.candidates(tried))
            except ChannelError as error:
                failure = error
                if self.has_several:
                    self.mark_away(loan.relay, error)
        if not tried:
            raise Busy("all connections are in use", retry_after_s=_BUSY_RETRY_S)
        raise failure

    async def next_loan(self, mails: Sequence[Envelope], tried: Sequence[Relay]) -> Loan | None:
        """The turn of the next relay for *mails*; None if there is none that may have it soon."""
        loop = asyncio.get_running_loop()
        ends_at = loop.time() + _TURN_PATIENCE_S
        while free := [relay for relay in self.candidates(tried) if relay.is_free]:
            now = self.clock()
            ready = [relay for relay in free if not mails or relay.admit(mails, now)]
            if ready:
                return self.lend(min(ready, key=lambda relay: relay.share), mails)
            if loop.time() >= ends_at:
                return None
            await self.wait_for_turn(min(relay.wait_s() or _TURN_CHECK_S for relay in free))
        return None

    async def wait_for_turn(self, longest_s: float) -> None:
        self.returned.clear()
        with suppress(TimeoutError):
            async with asyncio.timeout(longest_s):
                await self.returned.wait()

    def lend(self, relay: Relay, mails: Sequence[Envelope]) -> Loan:
        """Give *relay* its turn; one that was away or slow has not saved up all that it missed."""
        loan = relay.lend(mails, self.clock())
        self.share = max(self.share, relay.share)
        weight = relay.settings.weight or 1
        relay.share = max(relay.share, self.share - MAX_LAG) + len(loan.admitted) / weight
        if relay.is_out:  # one tries, the others do not wait for it
            relay.away_until = self.clock() + RETRY_S
        return loan

    def candidates(self, tried: Sequence[Relay] = ()) -> list[Relay]:
        """The relays that may be tried; when all are away, the one that has been the longest."""
        if usable := self.usable(tried):
            return usable
        if len(tried) >= _MAX_TRIES:
            return []
        away = [one for one in self.relays if one not in tried and self.may_help(one)]
        away.sort(key=lambda one: (one.settings.is_standby, one.away_until or 0.0))
        return away[:1]

    def usable(self, tried: Sequence[Relay] = ()) -> list[Relay]:
        """The relays that are not away; standbys, while every other relay is."""
        now = self.clock()
        due = [one for one in self.relays if one not in tried and one.is_due(now)]
        shared = [one for one in due if not one.settings.is_standby]
        return shared or [one for one in due if self.may_help(one)]

    def may_help(self, relay: Relay) -> bool:
        """Whether *relay* may be used at all: no standby hides that others are set up wrongly."""
        others = [one for one in self.relays if not one.settings.is_standby]
        return not relay.settings.is_standby or not all(one.is_misconfigured for one in others)

    async def borrow(self, loan: Loan, *, is_last: bool) -> tuple[SmtpConnection, bool]:
        """A connection of the relay, and whether it is new. Raises Unreachable, Misconfigured."""
        is_lent = False
        try:
            connection = await self.take_idle(loan.relay)
            is_new = connection is None
            if connection is None:
                open_s = self.open_timeout_s or (None if is_last else _OPEN_TIMEOUT_S)
                connection = await self.open(loan.relay, open_s)
            is_lent = True
        finally:
            if not is_lent:
                self.give_back(loan)
        connection.limit_elsewhere = self.limit_elsewhere(loan.relay)
        self.loans[connection] = loan
        return connection, is_new

    async def take_idle(self, relay: Relay) -> SmtpConnection | None:
        while relay.idle:
            since, connection = relay.idle.pop()
            is_recent = self.clock() - since < IDLE_CHECK_S
            if not connection.is_closed and (is_recent or await connection.is_alive()):
                return connection
            if not is_recent:
                relay.close_idle()  # a relay that is silent on one is not asked on each
        return None

    async def open(self, relay: Relay, open_timeout_s: float | None = None) -> SmtpConnection:
        patience = Patience(open_timeout_s, self.request_timeout_s, self.end_timeout_s)
        timer = asyncio.get_running_loop().call_later(_OPEN_TIMEOUT_S, _warn_of_slow, relay.name)
        try:
            tls = tls_context(relay.settings)
            connection = await SmtpConnection.open(relay.settings, tls, patience)
        finally:
            timer.cancel()
        connection.opened_at = self.clock()
        relay.size_limit = connection.size_limit
        limit, told_at = relay.session_limit
        if self.clock() - told_at < SESSION_LIMIT_S:
            connection.session_limit = limit
        return connection

    def limit_elsewhere(self, relay: Relay) -> float:
        """The most bytes of a mail that other relays which share the mail are known to take."""
        others = (one for one in self.relays if one is not relay and not one.settings.is_standby)
        return max((one.size_limit or math.inf for one in others), default=0.0)

    def admitted(self, connection: SmtpConnection, mails: int) -> Sequence[int]:
        """The numbers of the mails that *connection* may carry now."""
        loan = self.loans.get(connection)
        return loan.admitted if loan and self.chooses else range(mails)

    def is_lent(self, connection: SmtpConnection) -> bool:
        return connection in self.loans

    def mark_away(self, relay: Relay, trouble: ChannelError) -> None:
        """Leave *relay* out for a while."""
        if not relay.is_out:
            relay.out_since = time.time()
            log.warning("relay_out", relay=relay.name, reason=trouble.reason)
        relay.reason, relay.is_misconfigured = trouble.reason, isinstance(trouble, Misconfigured)
        relay.put_off, relay.away_since = 0, self.clock()
        relay.away_until = self.clock() + RETRY_S
        relay.close_idle()

    def mark_back(self, relay: Relay) -> None:
        if not relay.is_out:
            return
        log.warning("relay_back", relay=relay.name)
        relay.away_until, relay.is_misconfigured, relay.reason = None, False, ""
        for standby in (one for one in self.relays if one not in self.usable()):
            standby.close_idle()

    def leave(self, connection: SmtpConnection, trouble: ChannelError) -> bool:
        """Leave a relay in trouble; whether another one takes over at once."""
        if not self.has_several:
            return False
        connection.leave()
        self.mark_away(self.loans[connection].relay, trouble)
        return bool(self.usable())

    def note_answers(self, connection: SmtpConnection, *, accepted: int, put_off: int) -> Relay:
        """Learn from a window: how long a session may be, and whether the relay is well."""
        relay = self.loans[connection].relay
        if connection.has_told_limit:
            relay.session_limit = connection.session_limit, self.clock()
        relay.mails += accepted
        relay.put_off = 0 if accepted else relay.put_off + put_off
        if accepted and connection.opened_at >= relay.away_since:
            self.mark_back(relay)
        return relay

    def release(self, connection: SmtpConnection) -> None:
        """Take a connection back; one that was given back already stays where it is."""
        loan = self.loans.pop(connection, None)
        if loan is None:
            return
        self.give_back(loan)
        relay, now = loan.relay, self.clock()
        is_new = connection.opened_at >= relay.away_since
        if relay.is_out and is_new and not loan.admitted:
            relay.away_until = now  # a trial that has carried nothing yet goes on
        if self.is_closed or not is_new or (relay.settings.is_standby and self.is_spare(relay)):
            connection.close()
        elif not connection.is_closed:
            relay.idle.append((now, connection))
            relay.close_surplus()

    def is_spare(self, standby: Relay) -> bool:
        return any(one is not standby for one in self.usable() if not one.settings.is_standby)

    def give_back(self, loan: Loan) -> None:
        loan.relay.give_back(loan)
        self.returned.set()

    def close(self) -> None:
        self.is_closed = True
        self.close_idle()

    def close_idle(self) -> None:
        for relay in self.relays:
            relay.close_idle()


def _warn_of_slow(name: str) -> None:
    log.warning("relay_slow", relay=name, waited_s=_OPEN_TIMEOUT_S)
