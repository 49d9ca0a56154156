"""Which account a person at the provider signs in to: an account manager's decision.

Bucket `staff`, key `identity.<digest of issuer and subject>`: the id of the account, which names
the same identity. Nothing else about a person, an e-mail address least of all, finds an account.
"""

from dataclasses import dataclass

from consumers.messages import field_error
from consumers.staff.accounts import Account, AccountStore, OidcSubject
from contracts.base.times import utc_now
from contracts.errors import Conflict
from producers.bus import RevisionConflict


@dataclass
class IdentityLinks:
    """Links between identities and accounts. Raises BusError when the bus fails."""

    accounts: AccountStore

    def __post_init__(self) -> None:
        self.bucket = self.accounts.bucket

    async def find(self, identity: OidcSubject) -> Account | None:
        """The account that is linked to *identity*."""
        value = await self.bucket.get(_key(identity))
        account = await self.accounts.find(value.data.decode()) if value else None
        return account if account and account.oidc == identity else None

    async def link(self, account_id: str, identity: OidcSubject) -> Account:
        """Let *identity* sign in to an account, which has no other one then; its sessions end.

        Raises Conflict for an identity that is linked to another account.
        """
        await self._claim(account_id, identity)
        now = utc_now(self.accounts.clock)

        def change(account: Account) -> Account:
            if account.oidc == identity:
                return account
            linked = account.ended_sessions(oidc=identity, invitation=None)
            if account.state != "invited":
                return linked
            return linked.model_copy(update={"state": "active", "used": now})

        return await self.accounts.change(account_id, change)

    async def unlink(self, account_id: str) -> Account:
        """Take an account's identity away; its sessions end."""

        def change(account: Account) -> Account:
            if account.oidc is None:
                return account
            has_lost_all = account.state == "active" and account.local is None
            state = "invited" if has_lost_all else account.state
            return account.ended_sessions(oidc=None, state=state)

        return await self.accounts.change(account_id, change)

    async def _claim(self, account_id: str, identity: OidcSubject) -> None:
        """Point the identity to the account. Raises Conflict when another one has it."""
        key = _key(identity)
        known = await self.bucket.get(key)
        owner = await self.find(identity)
        try:
            if owner and owner.id != account_id:
                raise RevisionConflict(key)
            await self.bucket.swap(key, account_id.encode(), known.revision if known else 0)
        except RevisionConflict as lost:
            raise Conflict(field_error("identity", "identity_taken")) from lost


def _key(identity: OidcSubject) -> str:
    return f"identity.{identity.digest}"
