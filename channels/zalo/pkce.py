"""Proof that whoever exchanges a consent's code is the one who asked for the consent (RFC 7636).

Zalo's form: 43 letters and digits, and the unpadded base64url of their SHA-256.
"""

import hashlib
import secrets
import string
from base64 import urlsafe_b64encode

LETTERS = string.ascii_letters + string.digits
LENGTH = 43


def new_verifier() -> str:
    return "".join(secrets.choice(LETTERS) for _ in range(LENGTH))


def challenge(verifier: str) -> str:
    digest = hashlib.sha256(verifier.encode("ascii")).digest()
    return urlsafe_b64encode(digest).decode("ascii").rstrip("=")
