"""Mail addresses of staff: checked, and encrypted for their accounts."""

import base64
from collections.abc import Callable

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from consumers.errors import KeyFileBroken
from consumers.messages import field_error
from consumers.staff.accounts import Account
from contracts.base.addresses import is_mailable
from contracts.errors import Invalid
from producers.encryption.values import open_sealed, seal

_PURPOSE = "staff addresses"
_FIELD = "email"


class StaffAddresses:
    """Encrypts addresses, each bound to its account. *derive* returns the key of a purpose."""

    def __init__(self, derive: Callable[[str], bytes]) -> None:
        self._cipher = AESGCM(derive(_PURPOSE))

    def encrypt(self, account_id: str, address: str) -> str:
        """*address* as the account keeps it; empty for none. Raises Invalid for no mail address."""
        if not address:
            return ""
        if not is_mailable(address):
            raise Invalid(field_error(_FIELD, "no_mail_address"))
        return base64.b64encode(seal(self._cipher, account_id, address.encode())).decode()

    def read(self, account: Account) -> str:
        """The account's address; empty for none.

        Raises KeyFileBroken for a value of another key, or of another account.
        """
        if not account.address:
            return ""
        address = open_sealed(self._cipher, account.id, base64.b64decode(account.address))
        if address is None:
            raise KeyFileBroken("an address of staff was encrypted with another key file")
        return address.decode()
