"""Mail addresses of staff: checked, and encrypted for their accounts."""

import base64
import hashlib
import hmac
from binascii import Error as NotBase64
from collections.abc import Callable
from typing import Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from consumers.errors import KeyFileBroken
from consumers.messages import field_error
from contracts.base.addresses import is_mailable
from contracts.errors import Invalid

_PURPOSE = "staff addresses"
_FIELD = "email"
_NONCE_BYTES = 12


class _Addressee(Protocol):
    """An account, as far as its address is concerned, in the form that it keeps."""

    @property
    def id(self) -> str: ...
    @property
    def address(self) -> str: ...


class StaffAddresses:
    """Encrypts addresses, each bound to its account. *derive* returns the key of a purpose.

    An account's address has one encrypted form: two managers who enter the same one mean the same.
    """

    def __init__(self, derive: Callable[[str], bytes], purpose: str = _PURPOSE) -> None:
        self._cipher = AESGCM(derive(purpose))
        self._nonce_key = derive(f"{purpose} nonce")

    def encrypt(self, account_id: str, address: str) -> str:
        """*address* as the account keeps it; empty for none. Raises Invalid for no mail address."""
        if not address:
            return ""
        if not is_mailable(address):
            raise Invalid(field_error(_FIELD, "no_mail_address"))
        place, plain = account_id.encode(), address.encode()
        digest = hmac.digest(self._nonce_key, place + b"\0" + plain, hashlib.sha256)
        nonce = digest[:_NONCE_BYTES]
        return base64.b64encode(nonce + self._cipher.encrypt(nonce, plain, place)).decode()

    def read(self, account: _Addressee) -> str:
        """The account's address; empty for none.

        Raises KeyFileBroken for a value of another key, or of another account.
        """
        return self.decrypt(account.id, account.address) if account.address else ""

    def decrypt(self, place: str, encrypted: str) -> str:
        """An address that was encrypted for *place*. Raises as `read`."""
        try:
            data = base64.b64decode(encrypted)
            nonce, sealed = data[:_NONCE_BYTES], data[_NONCE_BYTES:]
            return self._cipher.decrypt(nonce, sealed, place.encode()).decode()
        except (InvalidTag, NotBase64, ValueError) as wrong:
            text = "an address of staff was encrypted with another key file"
            raise KeyFileBroken(text) from wrong
