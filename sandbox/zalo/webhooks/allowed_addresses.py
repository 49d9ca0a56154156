"""The addresses that the sandbox calls: Loa's own webhook, and this machine."""

from dataclasses import dataclass, field

from yarl import URL

from channels.email.settings import is_loopback


@dataclass(frozen=True)
class AllowedAddresses:
    """The rule for the webhook's address, so that the sandbox is no way into a network.

    `own`: the addresses of Loa's webhook. `loopback`: any address of this machine, too; only
    where no other machine can give the order.
    """

    own: set[str] = field(default_factory=set)
    loopback: bool = True

    def allow(self, address: str) -> bool:
        if address in self.own:
            return True
        try:
            host = URL(address).host or ""
        except ValueError:
            return False
        return self.loopback and is_loopback(host)
