"""Everything that the checks say about one text, for the pages beside it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from producers.desk.editor.checks import Finding, check_text, damage_said, find_missing
from producers.desk.editor.links import LinkReport, report_links
from producers.desk.editor.near_texts import NearText, find_near
from producers.desk.visit import Visit


@dataclass(frozen=True)
class Findings:
    """What the checks found; `damaged`: sentences about texts that look damaged."""

    found: Sequence[Finding]
    damaged: Sequence[str]
    near: Sequence[NearText]
    links: LinkReport

    @property
    def is_fine(self) -> bool:
        return not (self.found or self.damaged or self.near or self.links.dead)


async def find_all(visit: Visit, content_id: str, data: Mapping[str, Any]) -> Findings:
    """Run every check on the data of a text. Raises BusError."""
    services = visit.desk.services
    return Findings(
        found=check_text(data) + await find_missing(services.uploads, data),
        damaged=damage_said(data),
        near=await find_near(visit, content_id, data),
        links=report_links(visit, data),
    )
