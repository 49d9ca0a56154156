"""Names of the people that records name by their accounts."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from consumers.staff.accounts import AccountStore

_READ_AGAIN_S = 10.0


@dataclass
class AccountNames:
    """The names of all accounts by id, read again after ten seconds."""

    accounts: AccountStore
    _names: Mapping[str, str] = field(default_factory=dict)
    _read_at: float = float("-inf")

    async def all(self) -> Mapping[str, str]:
        now = self.accounts.clock()
        if now - self._read_at >= _READ_AGAIN_S:
            self._names = {one.id: one.name for one in await self.accounts.all()}
            self._read_at = now
        return self._names
