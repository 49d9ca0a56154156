"""Names of the people that records name by their accounts."""

from collections.abc import Iterable, Mapping

from consumers.staff.accounts import AccountStore


async def account_names(accounts: AccountStore, ids: Iterable[str]) -> Mapping[str, str]:
    """The names of those of *ids* that are accounts; a name in place of one is no id."""
    wanted = {one for one in ids if one}
    if not wanted:
        return {}
    return {one.id: one.name for one in await accounts.all() if one.id in wanted}
