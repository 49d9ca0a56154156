"""An operator of NATS in small: accounts and users as signed JWTs, without `nsc`."""

import base64
import hashlib
import json
import os
import time
from pathlib import Path
from typing import Any, NamedTuple

import nkeys

_NO_LIMIT = ("subs", "data", "payload", "imports", "exports", "conn", "leaf")
_JETSTREAM = ("mem_storage", "disk_storage", "streams", "consumer")


class Key(NamedTuple):
    """An nkey: its seed and its public name."""

    seed: bytes
    name: str

    def sign(self, content: bytes) -> bytes:
        return nkeys.from_seed(bytearray(self.seed)).sign(content)


def new_key(prefix: int = nkeys.PREFIX_BYTE_USER) -> Key:
    seed = nkeys.encode_seed(os.urandom(32), prefix)
    return Key(seed, nkeys.from_seed(bytearray(seed)).public_key.decode())


def _encoded(content: bytes) -> bytes:
    return base64.urlsafe_b64encode(content).rstrip(b"=")


def _token(signer: Key, subject: str, nats: dict[str, Any], **claims: object) -> str:
    body = {"iss": signer.name, "sub": subject, "name": "test", "iat": int(time.time())}
    body |= {"nats": nats | {"version": 2}, **claims}
    body["jti"] = hashlib.sha256(json.dumps(body).encode()).hexdigest()[:52]
    head = _encoded(b'{"typ":"JWT","alg":"ed25519-nkey"}')
    signed = head + b"." + _encoded(json.dumps(body).encode())
    return (signed + b"." + _encoded(signer.sign(signed))).decode()


class Operator:
    """One account with JetStream, a system account, and users of the first."""

    def __init__(self) -> None:
        self.key = new_key(nkeys.PREFIX_BYTE_OPERATOR)
        self.account, self.system = (new_key(nkeys.PREFIX_BYTE_ACCOUNT) for _ in range(2))

    @property
    def settings(self) -> str:
        """The settings of a nats-server that trusts this operator."""
        own = {"type": "operator", "system_account": self.system.name}
        operator = _token(self.key, self.key.name, own)
        resolved = ((self.account, -1), (self.system, 0))
        accounts = "".join(f'{key.name}: "{self._account(key, n)}"\n' for key, n in resolved)
        return f'operator: "{operator}"\nresolver: MEMORY\nresolver_preload: {{\n{accounts}}}\n'

    def _account(self, key: Key, jetstream: int) -> str:
        limits = dict.fromkeys(_NO_LIMIT, -1) | dict.fromkeys(_JETSTREAM, jetstream)
        limits |= {"wildcards": True}
        return _token(self.key, key.name, {"type": "account", "limits": limits})

    def write_credentials(self, path: Path, lives_s: float = 0) -> Path:
        """A credentials file of a new user, which expires after *lives_s*; 0: never."""
        user, claims = new_key(), {"exp": int(time.time() + lives_s)} if lives_s else {}
        limits = dict.fromkeys(("subs", "data", "payload"), -1)
        jwt = _token(self.account, user.name, {"type": "user"} | limits, **claims)
        write_credentials(path, jwt, user)
        return path


def write_credentials(path: Path, jwt: str, user: Key) -> None:
    """A file as `nsc` writes it, put in place at once."""
    draft = path.with_suffix(".draft")
    draft.touch(mode=0o600)
    draft.write_text(
        f"-----BEGIN NATS USER JWT-----\n{jwt}\n------END NATS USER JWT------\n\n"
        "************************* IMPORTANT *************************\n\n"
        f"-----BEGIN USER NKEY SEED-----\n{user.seed.decode()}\n------END USER NKEY SEED------\n"
    )
    draft.rename(path)
