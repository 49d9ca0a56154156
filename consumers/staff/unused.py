"""Disable accounts that were not used for 45 days."""

from functools import partial

import structlog

from consumers.audit.log import Act, AuditLog
from consumers.staff.accounts import UNUSED_AFTER, AccountStore

log = structlog.get_logger()
_ACTOR = "loa"


async def disable_unused(accounts: AccountStore, audit: AuditLog) -> None:
    """Disable each unused account; an account manager enables it again. Raises BusError."""
    for account in await accounts.all():
        if accounts.is_unused(account):
            reason = f"not used for {UNUSED_AFTER.days} days"
            act = Act("staff.disable", account.id, _ACTOR, reason=reason)
            await audit.perform(act, partial(accounts.disable_unused, account.id))
            log.warning("account_disabled_unused", account=account.id)
