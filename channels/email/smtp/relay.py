"""One relay as this process uses it: its connections, share of the mail, limits and health.

Times are those of the pool's clock, but for `out_since`."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from channels.email.relays import WHOLE, Portion, RelaySettings
from channels.email.smtp.connection import SmtpConnection
from channels.email.smtp.window import Envelope

MAX_LAG = 100.0
"""How many mails for each unit of its weight a relay may be behind the others, and catch up."""


class Loan(NamedTuple):
    """A connection at work, or being opened: for which of its mails it may be used now."""

    relay: "Relay"
    admitted: Sequence[int] = ()
    domains: frozenset[bytes] = frozenset()


@dataclass(eq=False)
class Relay:
    """A relay; `share`: the mails that it was given, for each unit of its weight."""

    settings: RelaySettings
    portion: Portion | None = WHOLE  # of its limits; None: nothing may be used yet
    idle: list[tuple[float, SmtpConnection]] = field(default_factory=list)
    lent: int = 0
    mails: int = 0  # that it has accepted
    share: float = 0.0
    put_off: int = 0  # mails that it has put off, one after the other
    away_until: float | None = None  # it is not tried before
    away_since: float = float("-inf")
    out_since: float = 0.0  # seconds since the epoch; while it is away
    reason: str = ""  # why it is away
    is_misconfigured: bool = False  # only an operator can bring it back
    session_limit: tuple[int, float] = (0, 0.0)  # mails in a session, and when it was told
    size_limit: int | None = None  # bytes of a mail; None: not known yet
    tokens: float = 1.0  # mails that may go at once
    filled_at: float = float("-inf")
    domains: Counter[bytes] = field(default_factory=Counter)  # connections by recipients' domain

    @property
    def name(self) -> str:
        return self.settings.name

    @property
    def is_out(self) -> bool:
        """Whether it is away, or is being tried again."""
        return self.away_until is not None

    @property
    def connections(self) -> int:
        """How many connections this process may have."""
        return self.portion.part(self.settings.connections) if self.portion else 0

    @property
    def is_free(self) -> bool:
        """Whether it may have one more connection at work."""
        return self.lent < self.connections

    @property
    def mails_per_s(self) -> float | None:
        """This process's part of the rate."""
        rate = self.settings.mails_per_s
        return rate / self.portion.of if rate and self.portion else rate

    @property
    def connections_per_domain(self) -> int | None:
        """This process's part of the connections that carry mail to one domain."""
        most = self.settings.connections_per_domain
        return self.portion.part(most) if most and self.portion else most

    def is_due(self, now: float) -> bool:
        """Whether it is not away, or is to be tried again."""
        return self.away_until is None or now >= self.away_until

    def admit(self, mails: Sequence[Envelope], now: float) -> Sequence[int]:
        """The numbers of those of *mails* that its limits let go now."""
        if not self.settings.has_limits:
            return range(len(mails))
        numbers: Sequence[int] = range(len(mails))
        if most := self.connections_per_domain:
            numbers = [n for n in numbers if self.domains[_domain_of(mails[n])] < most]
        if rate := self.mails_per_s:
            self.fill(rate, now)
            numbers = numbers[: int(self.tokens)]
        return numbers

    def fill(self, mails_per_s: float, now: float) -> None:
        """Add what the time since has earned; a second's worth is kept at most, or one mail."""
        earned = (now - self.filled_at) * mails_per_s
        most = max(mails_per_s, 1.0)
        self.tokens, self.filled_at = min(self.tokens + max(earned, 0.0), most), now

    def wait_s(self) -> float:
        """How long until its rate lets one more mail go; 0 if only a domain has to wait."""
        rate = self.mails_per_s
        return max(1 - self.tokens, 0.0) / rate if rate else 0.0

    def lend(self, mails: Sequence[Envelope], now: float) -> Loan:
        """Count one more connection, and what it is about to carry."""
        admitted = self.admit(mails, now)
        self.lent += 1
        if not self.settings.has_limits:
            return Loan(self, admitted)
        self.tokens -= len(admitted) if self.settings.mails_per_s else 0
        domains = frozenset(_domain_of(mails[number]) for number in admitted)
        self.domains.update(domains)
        return Loan(self, admitted, domains)

    def give_back(self, loan: Loan) -> None:
        self.lent -= 1
        self.domains.subtract(loan.domains)
        self.domains += Counter()  # forget domains without a connection

    def close_idle(self, keep: int = 0) -> None:
        """Close idle connections but for *keep*, the oldest first."""
        while len(self.idle) > keep:
            self.idle.pop(0)[1].close()

    def close_surplus(self) -> None:
        """Close idle connections beyond those that this process may have."""
        self.close_idle(max(self.connections - self.lent, 0))


def _domain_of(mail: Envelope) -> bytes:
    return mail.recipient.rpartition(b"@")[2].lower()
