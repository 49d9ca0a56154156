"""One's own account: another password, another authenticator app."""

from dataclasses import dataclass

from consumers.messages import field_error
from consumers.staff.accounts import Account
from consumers.staff.policy import Policy
from consumers.staff.sign_in import SignIn
from contracts.errors import Conflict, Invalid
from contracts.staff.sign_in import AppChange, PasswordChange


@dataclass(frozen=True)
class OwnAccount:
    """Changes that a person makes after giving the password again. Each ends all sessions."""

    door: SignIn
    policy: Policy

    async def change_password(self, account: Account, change: PasswordChange) -> Account:
        """Raises Unauthorized for a wrong password, RateLimited, Invalid for a weak new one."""
        await self.door.confirm_password(account, change.current, change.network)
        hashed = await self.door.new_password(account, change.new, with_totp=account.has_totp)
        return await self._change(account, password=hashed)

    async def change_app(
        self, account: Account, change: AppChange, *, is_stepped_up: bool
    ) -> Account:
        """Replace the authenticator app. Raises like `change_password`.

        Without *is_stepped_up* the old app has to show a code, too. Where the account's roles ask
        for an app and it has none, only an account manager helps: a password alone must not be
        enough to become the holder of such a role.
        """
        if not account.has_totp and self.policy.needs_second_factor(account.grants):
            raise Invalid(field_error("new_code", "second_factor_required"))
        await self.door.confirm_password(account, change.password, change.network)
        if account.has_totp and not is_stepped_up:
            await self.door.step_up(account, change.code, change.network)
        stored, step = self.door.new_app(account, change.totp, change.new_code)
        return await self._change(account, totp=stored, used_step=step)

    async def _change(self, checked: Account, **changes: object) -> Account:
        """Change how the account signs in. Raises Conflict if it changed since *checked*."""

        def change(known: Account) -> Account:
            if known.local is None:
                raise Conflict(field_error("login", "account_changed"))
            wanted = known.local.model_copy(update=changes)
            if known.local == wanted:
                return known
            if not known.is_active or known.generation != checked.generation:
                raise Conflict(field_error("login", "account_changed"))
            return known.ended_sessions(local=wanted)

        return await self.door.accounts.change(checked.id, change)
