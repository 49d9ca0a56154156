"""A NATS account for each unit: its public keys, and what it imports of Loa's.

Clients of a unit publish to `content.<unit>.<kind>`; account LOA gets it as `in.<unit>.<kind>`, in
a stream of that unit alone. They hear `publication.status.<unit>.<content_id>`, as it is said.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from contracts import subjects

PUBLIC_KEY = re.compile(r"^U[A-Z2-7]{55}$", re.MULTILINE)
_LIMITS = "limits: {max_connections: 100, max_subscriptions: 1000, max_payload: 1MB}"


@dataclass(frozen=True, slots=True)
class UnitAccount:
    """A unit that has or had keys for the bus; without a key it has no account."""

    unit: str
    public_keys: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return f"UNIT-{self.unit}"


def exports(units: Iterable[UnitAccount]) -> list[str]:
    """Door and facts that account LOA offers, each for one unit's account alone."""
    return [
        f'{{{kind}: "{subject}", accounts: ["{one.name}"]}}'
        for one in units
        if one.public_keys
        for kind, subject in (
            ("service", subjects.inbound(one.unit, "*")),
            ("stream", subjects.status(one.unit, "*")),
        )
    ]


def account_stanzas(units: Iterable[UnitAccount]) -> list[str]:
    """The accounts of the units. A user may publish that unit's events, read the answers, and
    hear what becomes of them.

    Each subject is named whole: in place of a `*` a unit could put bytes that no client can read.
    The permissions also close what the server offers in every account, such as
    `$SYS.REQ.SERVER.PING.CONNZ`.
    """
    return [_stanza(one) for one in units if one.public_keys]


def _stanza(account: UnitAccount) -> str:
    outside, inside = subjects.content(account.unit, "*"), subjects.inbound(account.unit, "*")
    told = subjects.status(account.unit, "*")
    events = ", ".join(f'"{subjects.content(account.unit, k)}"' for k in subjects.CONTENT_KINDS)
    users = ", ".join(f"{{nkey: {key}}}" for key in account.public_keys)
    return "\n".join(
        [
            f'"{account.name}": {{',
            f'  imports: [{{service: {{account: LOA, subject: "{inside}"}}, to: "{outside}"}}',
            f'    {{stream: {{account: LOA, subject: "{told}"}}}}]',
            f'  default_permissions: {{publish: [{events}], subscribe: ["_INBOX.>", "{told}"]}}',
            f"  {_LIMITS}",
            f"  users: [{users}]",
            "}",
        ]
    )


def load_units(folder: Path) -> list[UnitAccount]:
    """The units of *folder*: a file for each, with a public key on each line."""
    files = sorted(folder.glob("[!.]*"))
    return [UnitAccount(file.name, tuple(_public_keys(file))) for file in files]


def _public_keys(file: Path) -> list[str]:
    return PUBLIC_KEY.findall(file.read_text("ascii", errors="replace"))


def write_units(folder: Path, units: Sequence[UnitAccount]) -> None:
    """Write what `load_units` reads; a unit without a key keeps an empty file."""
    folder.mkdir(parents=True, exist_ok=True)
    for one in units:
        (folder / one.unit).write_text("".join(f"{key}\n" for key in one.public_keys), "ascii")
