"""How a system sends: the repository's examples, and the kinds of events with their schemas."""

import json
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple

import contracts
from contracts import events
from contracts.events import KindName, kind_of
from contracts.testing import sample

_CONTRACTS = Path(contracts.__file__).parent
_FOLDER = _CONTRACTS.parent / "examples"
_EXAMPLE_UNIT = "van-phong-bo"
"""The unit that the examples name; the page of another unit has its name in that place."""


class Example(NamedTuple):
    """A program of the repository that sends an event, by its file in `examples`.

    *package*: of Loa's release, which it needs; *install* takes the package's file.
    """

    name: str
    file: str
    package: str = ""
    install: str = ""


EXAMPLES = (
    Example("curl", "send.sh"),
    Example(
        *("Python", "send.py"),
        *("loa_client", "pip install ./loa_client-0.2.0-py3-none-any.whl"),
    ),
    Example(
        *("TypeScript, Node.js", "send.mts"),
        *("@loa/client", "npm install ./loa-client-0.1.0.tgz"),
    ),
    Example("Java", "java/Publish.java"),
    Example("Go", "go/publish.go"),
    Example("C#", "csharp/Publish.cs"),
    Example("Node.js, NATS", "publish.mjs"),
    Example("Python, NATS", "publish.py"),
)
"""The programs, in the order in which the page shows them; another language is one more line."""
EVENT_FILE = Example("first-event.json", "first-event.json")
"""The event that the programs send."""
COMMANDS: Mapping[str, Sequence[str]] = {
    "dry_run": ("sh send.sh first-event.json dry-runs",),
    "trial": (
        f"loa units trial-key {_EXAMPLE_UNIT}",
        f"loa units guest {_EXAMPLE_UNIT} can-bo@example.org",
    ),
    "conformance": (
        "loa conformance --listen 127.0.0.1:8099",
        f"loa conformance https://loa.example --key loatrial_{_EXAMPLE_UNIT}_...",
    ),
    "callbacks": (
        f"loa callbacks add {_EXAMPLE_UNIT} https://he-thong.example.gov.vn/loa "
        "--contact it@example.gov.vn",
    ),
}
"""The commands of each way to try and to follow an event; every one stands in a document."""


class Kind(NamedTuple):
    """A kind of events: its type, an example of the unit, and the schema of its data."""

    kind: KindName
    type: str
    over_bus: bool
    example: str
    schema: str


class Catalogue(NamedTuple):
    """The events that a unit may send. *changes*: the change log of the contracts."""

    event: str
    kinds: Sequence[Kind]
    changes: str


def example_text(example: Example, unit: str) -> str:
    """The text of an example, with *unit* in the place of the example's own."""
    return _read(_FOLDER / example.file).replace(_EXAMPLE_UNIT, unit)


def command_text(way: str, unit: str) -> str:
    """The commands of a way, with *unit* in the place of the example's own."""
    return "\n".join(COMMANDS[way]).replace(_EXAMPLE_UNIT, unit)


def catalogue(unit: str) -> Catalogue:
    kinds = [_kind(one, unit) for one in events.KINDS]
    return Catalogue(example_text(EVENT_FILE, unit), kinds, _read(_CONTRACTS / "CHANGES.md"))


def _kind(event_type: str, unit: str) -> Kind:
    kind = kind_of(event_type)
    example = sample(kind) | {"source": f"{events.UNIT_SOURCE_PREFIX}{unit}"}
    written = json.dumps(example, ensure_ascii=False, indent=2)
    schema = _read(_CONTRACTS / "schemas" / f"{event_type}.json")
    return Kind(kind, event_type, event_type in events.BUS_TYPES, written, schema)


@cache
def _read(path: Path) -> str:
    return path.read_text("utf-8")
