"""One valid event of every kind, with real Vietnamese text; the bodies are in `samples/`."""

import json
from pathlib import Path
from typing import Any

from contracts.events import KINDS, kind_of

KIND_NAMES = tuple(kind_of(event_type) for event_type in KINDS)
"""submitted, corrected, withdrawn, updated."""

_FOLDER = Path(__file__).parent / "samples"


def sample(kind: str = "submitted", **changes: Any) -> dict[str, Any]:
    """A structured event of *kind*, safe to change; *changes* replace fields of its data."""
    event: dict[str, Any] = json.loads((_FOLDER / f"{kind}.json").read_text("utf-8"))
    event["data"] |= changes
    return event
