"""Where a channel's output goes, as its worker has published it, in both languages."""

from consumers.messages import load_catalog
from contracts.errors import Bilingual


def describe_place(to: str) -> Bilingual:
    """The destination *to* with its English phrases put into Vietnamese."""
    vi = to
    for phrase in load_catalog("places").values():
        vi = vi.replace(phrase["en"], phrase["vi"])
    return Bilingual(to, vi)
