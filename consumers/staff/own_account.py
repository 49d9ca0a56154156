"""One's own account: another password, another authenticator app, the mail that it gets."""

from dataclasses import dataclass

import structlog

from consumers.errors import KeyFileBroken
from consumers.messages import field_error
from consumers.staff.accounts import Account
from consumers.staff.authorization import Actor, Authorizer
from consumers.staff.sessions import SignedIn
from consumers.staff.sign_in import SignIn
from contracts.desk.staff_mail import MailSettings
from contracts.errors import Conflict, Invalid
from contracts.staff.sign_in import AppChange, PasswordChange

log = structlog.get_logger()


@dataclass(frozen=True)
class OwnAccount:
    """Changes that a person makes.

    Those of how one signs in ask for the password again, and end all sessions.
    """

    door: SignIn
    rules: Authorizer

    async def change_password(self, signed_in: SignedIn, change: PasswordChange) -> Account:
        """Raises Unauthorized for a wrong password, RateLimited, Invalid for a weak new one."""
        account = signed_in.account
        await self.door.confirm_password(account, change.current, change.network)
        hashed = await self.door.new_password(account, change.new, with_totp=account.has_totp)
        return await self._change(signed_in, "account.password", password=hashed)

    async def change_app(self, signed_in: SignedIn, change: AppChange) -> Account:
        """Replace the authenticator app. Raises like `change_password`.

        Without a step-up the old app has to show a code, too. Where the account's roles ask
        for an app and it has none, only an account manager helps: a password alone must not be
        enough to become the holder of such a role.
        """
        account = signed_in.account
        if not account.has_totp and self.rules.policy.needs_second_factor(account.grants):
            raise Invalid(field_error("new_code", "second_factor_required"))
        await self.door.confirm_password(account, change.password, change.network)
        if account.has_totp and not self.rules.is_stepped_up(signed_in):
            await self.door.step_up(account, change.code, change.network)
        stored, step = self.door.new_app(account, change.totp, change.new_code)
        return await self._change(signed_in, "account.app", totp=stored, used_step=step)

    def mail_settings(self, signed_in: SignedIn) -> MailSettings:
        """The mail address and the wishes; an address of another key file counts as none."""
        account = signed_in.account
        try:
            address = self.door.addresses.read(account)
        except KeyFileBroken:
            log.error("staff_address_unreadable", account=account.id)
            address = ""
        return MailSettings(address, account.mail)

    async def set_mail(self, signed_in: SignedIn, wanted: MailSettings) -> Account:
        """Change the mail address and the wishes for mail; sessions stay. Raises Invalid."""
        account = signed_in.account
        stored = self.door.addresses.encrypt(account.id, wanted.address)
        choice = wanted.choice.model_copy(update={"has_no_address": not stored})
        record = Actor.of(signed_in).record_of("account.mail", account.id)
        return await self.rules.audit_log.perform(
            record,
            lambda: self.door.accounts.set_mail(account.id, address=stored, mail=choice),
        )

    async def _change(self, signed_in: SignedIn, action: str, **changes: object) -> Account:
        """Change how the account signs in. Raises Conflict if it was changed meanwhile."""
        checked = signed_in.account

        def change(known: Account) -> Account:
            if known.local is None:
                raise Conflict(field_error("login", "account_changed"))
            wanted = known.local.model_copy(update=changes)
            if known.local == wanted:
                return known
            if not known.is_active or known.generation != checked.generation:
                raise Conflict(field_error("login", "account_changed"))
            return known.ended_sessions(local=wanted)

        record = Actor.of(signed_in).record_of(action, checked.id)
        return await self.rules.audit_log.perform(
            record, lambda: self.door.accounts.change(checked.id, change)
        )
