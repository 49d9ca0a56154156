"""A record signed with a key from the key file; it names its public key."""

import json
from base64 import b64decode, b64encode
from typing import Self, TypeVar

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from pydantic import BaseModel, ConfigDict, ValidationError

from consumers.key_file import KeyFile
from contracts import subjects
from producers.bus import Bus

_Signed = TypeVar("_Signed", bound="SignedRecord")


class SignedRecord(BaseModel):
    """The signature covers all other fields, as canonical JSON."""

    model_config = ConfigDict(frozen=True)

    key: str = ""
    sig: str = ""

    def signed(self, key: Ed25519PrivateKey) -> Self:
        public = b64encode(key.public_key().public_bytes_raw()).decode()
        named = self.model_copy(update={"key": public, "sig": ""})
        signature = b64encode(key.sign(named.encode())).decode()
        return named.model_copy(update={"sig": signature})

    def is_signed_by(self, key: Ed25519PrivateKey) -> bool:
        """Whether the record is whole and was signed with *key*."""
        own = key.public_key().public_bytes_raw()
        try:
            public = b64decode(self.key)
            unsigned = self.model_copy(update={"sig": ""}).encode()
            Ed25519PublicKey.from_public_bytes(own).verify(b64decode(self.sig), unsigned)
        except (ValueError, InvalidSignature):
            return False
        return public == own

    def encode(self) -> bytes:
        text = json.dumps(self.model_dump(mode="json"), sort_keys=True, separators=(",", ":"))
        return text.encode()


async def load_signed(
    bus: Bus, name: str, model: type[_Signed], key: Ed25519PrivateKey
) -> _Signed | None:
    """Record *name* of bucket `control`; None unless *key* has signed it. Raises BusError."""
    value = await bus.bucket(subjects.CONTROL.name).get(name)
    try:
        record = model.model_validate_json(value.data) if value else None
    except ValidationError:
        return None
    return record if record and record.is_signed_by(key) else None


def signing_key(keys: KeyFile) -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(keys.derive("audit head"))
