"""The configuration of a nats-server: accounts, users by their public keys, rights, TLS."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from producers.access import public_key
from producers.bus.server_check import SETTINGS_SUBJECT
from producers.bus_access.key_files import KeyFolder, create_seed, write_private
from producers.bus_access.rights import Permissions, identities, permissions_of
from producers.bus_access.unit_accounts import (
    UnitAccount,
    account_stanzas,
    exports,
    load_units,
)

_SERVER = """\
# Settings of Loa's nats-server: yours to change, `loa bus config` keeps this file.
# Start the server in this folder: nats-server -c nats.conf
server_name: loa
listen: "{listen}"
# Monitoring without a password, for this machine alone.
http: "127.0.0.1:8222"
max_payload: 2MB

jetstream {{
  store_dir: "{store}"
  # Every acknowledgement means "on disk". Loa refuses a server without this.
  sync_interval: always
  max_memory_store: 256MB
  # At least the sum of what the streams and buckets may hold; nothing is allocated in advance.
  max_file_store: 200GB
}}

include "accounts.conf"
include "tls.conf"
"""
CA_CERTIFICATE, SERVER_CERTIFICATE = "ca.pem", "server.pem"
_ACCOUNTS = "accounts.conf"
_GENERATION = "generation.nk"
_WRITTEN = "# Written by `loa bus config`; the next call writes it anew.\n"
_TLS = 'tls {\n  cert_file: "server.pem"\n  key_file: "server.key"\n  timeout: 5\n}\n'


_GENERATION_ACCOUNT = """
  GENERATION {{
    default_permissions: {{publish: {{deny: ">"}}, subscribe: {{deny: ">"}}}}
    limits: {{max_connections: 10, max_subscriptions: 1, max_payload: 1KB}}
    users: [{{nkey: {key}}}]
  }}"""


@dataclass(frozen=True)
class BusUser:
    """A user of account LOA; `credential` is a part of the configuration: an nkey or a password.

    Without *permissions* every right. *inbox*: where its answers arrive.
    """

    credential: str
    permissions: Permissions | None = None
    inbox: str = "_INBOX"

    @classmethod
    def of_key(cls, public_key: str, permissions: Permissions | None) -> "BusUser":
        return cls(f"nkey: {public_key}", permissions, f"_INBOX.{public_key}")

    def render(self) -> str:
        if self.permissions is None:
            return f"{{{self.credential}}}"
        subjects = "".join(f'\n          "{subject}"' for subject in self.permissions.publish)
        publish = f"publish: {{allow: [{subjects}]}}"
        subscribe = f'subscribe: {{allow: ["{self.inbox}.>"]}}'
        rights = f"permissions: {{\n        {publish}\n        {subscribe}\n      }}"
        return f"{{{self.credential}, {rights}}}"


@dataclass(frozen=True)
class ServerPlace:
    """Where a server listens and keeps its data, as its configuration says."""

    listen: str = "127.0.0.1:4222"
    store: str = "store"


def render_accounts(
    users: Sequence[BusUser], units: Sequence[UnitAccount], generation: str = ""
) -> str:
    """The accounts of a server: Loa's with *users*, one for each unit, and the system's.

    *generation*: a public key that may sign in, in an account of its own, and do nothing.
    """
    ask = f'{{service: "{SETTINGS_SUBJECT}", response_type: stream, accounts: [LOA]}}'
    own = "\n".join(f"      {user.render()}" for user in users)
    exported = "\n".join(f"      {line}" for line in exports(units))
    stanzas = "\n".join(f"  {stanza}" for stanza in account_stanzas(units))
    stanzas += _GENERATION_ACCOUNT.format(key=generation) if generation else ""
    return (
        f"system_account: SYS\naccounts {{\n  SYS {{\n    exports: [{ask}]\n  }}\n"
        f"  LOA {{\n    jetstream: enabled\n    users: [\n{own}\n    ]\n"
        f"    exports: [\n{exported}\n    ]\n"
        f'    imports: [{{service: {{account: SYS, subject: "{SETTINGS_SUBJECT}"}}}}]\n  }}\n'
        f"{stanzas}\n}}\n"
    )


class ConfigurationFolder:
    """The folder that `loa bus config` writes; only `server` is for the server's eyes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.keys = KeyFolder(folder / "keys")
        self.server, self.ca = folder / "server", folder / "ca"

    @property
    def exists(self) -> bool:
        return (self.server / _ACCOUNTS).exists()

    @property
    def generation_key(self) -> Path:
        """A key that comes with each change of the accounts: a server that has read it knows it."""
        return self.folder / _GENERATION

    @property
    def units(self) -> list[UnitAccount]:
        return load_units(self.folder / "units")

    @property
    def ca_file(self) -> Path | None:
        path = self.ca / CA_CERTIFICATE
        return path if path.exists() else None

    def write(self, place: ServerPlace | None = None) -> None:
        """Write everything that is missing, and the accounts anew; keys stay. Raises OSError.

        The server uses TLS if the folder holds a certificate for it.
        """
        self.server.mkdir(mode=0o700, parents=True, exist_ok=True)
        server = self.server / "nats.conf"
        if place and not server.exists():
            server.write_text(_SERVER.format(listen=place.listen, store=place.store))
        has_tls = (self.server / SERVER_CERTIFICATE).exists()
        (self.server / "tls.conf").write_text(_WRITTEN + (_TLS if has_tls else ""))
        self._write_accounts()

    def _write_accounts(self) -> None:
        """Write the accounts, under a new generation if they have changed."""
        file, key = self.server / _ACCOUNTS, self.generation_key
        if key.exists() and file.exists() and file.read_text() == self._accounts():
            return
        write_private(key, create_seed() + b"\n")
        file.write_text(self._accounts())

    def _accounts(self) -> str:
        users = [
            BusUser.of_key(self.keys.ensure(identity), permissions_of(identity, self.units))
            for identity in identities()
        ]
        return _WRITTEN + render_accounts(users, self.units, public_key(self.generation_key))
