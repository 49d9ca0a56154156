"""The faces of a trial: what each channel would show of it."""

from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol

from contracts.trials.records import TrialEvent

FACES = ("portal.html", "mail.html", "mail.txt", "zalo.json")
"""The names of their files."""


class TrialFace(NamedTuple):
    """A rendered face, and where a page may load styles and pictures from."""

    media_type: str
    body: str
    style_src: str = ""
    img_src: str = ""


class TrialFaces(Protocol):
    """Renders trials by the channels' own renderers, and counts their mails. Raises BusError."""

    async def counts(self, record: TrialEvent) -> Mapping[str, Any]:
        """How many guests' mails have which outcome."""
        ...

    async def face(self, record: TrialEvent, name: str) -> TrialFace:
        """A face of `FACES` of a trial that has a publication."""
        ...
