"""The picture that pages of items without a cover give to previews and to machines."""

from functools import cache
from pathlib import Path

from channels.portal.model.site import ASSETS_PATH, Site
from design.assets import Asset

STATIC_DIR = Path(__file__).with_name("static")


@cache
def default_cover() -> Asset:
    return Asset("cover", ".png", (STATIC_DIR / "loa-cover.png").read_bytes())


def default_cover_url(site: Site) -> str:
    return site.url(f"{ASSETS_PATH}/{default_cover().name}")
