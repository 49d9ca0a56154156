"""Pictures of components for docs/design.md: `python -m tests.design.gallery` takes them anew.

Each shows a section of gallery.html, head or foot, drawn by Chromium by day and by night.
"""

import asyncio
import base64
import io
import re
from collections.abc import Mapping
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

import segno
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from design.assets import Asset
from design.frame import Frame, page_environment
from design.tokens import tokens
from tests.support.browser import FLAGS
from tests.support.requirements import CHROMIUM
from tests.support.site_identity import FULL

FOLDER = Path(__file__).parent
PICTURES = FOLDER.parents[1] / "docs/images/design"
SOURCE = "source"
"""The entry of a picture that has the hash of the markup it shows."""
_COLOURS, _GAP_PX, _PICTURE_PX = 96, 12, 500
_WIDE_PX, _USUAL_PX = 1040, 660
_WIDE = {"head", "foot", "columns"}
"""Pictures of what a phone shows otherwise; the others are of a narrow window."""
_SECTION = re.compile(r'<section id="([a-z_-]+)">\n(.*?)</section>', re.DOTALL)
_REGION = """name => {
    const main = document.querySelector('main').getBoundingClientRect();
    const box = document.querySelector(name === 'foot' ? 'footer.footing' : '#' + name);
    const {x, y, width, height} = (box || document.body).getBoundingClientRect();
    return name === 'head' ? {x, y, width, height: main.top} : {x, y, width, height};
}"""


@cache
def page() -> str:
    """The page of all components, complete in itself."""
    address = "https://tin.moha.gov.vn"
    frame = Frame(_as_data, home="#", public_url=address, site=FULL, corrections="#dinh-chinh")
    environment = page_environment(FOLDER, frame)
    code = segno.make("https://zalo.me/bonoivu").svg_data_uri(border=2, light="white")
    template = environment.get_template("gallery.html")
    return template.render(colours=list(tokens("light")), code=code)


def _as_data(asset: Asset) -> str:
    body = base64.b64encode(asset.body).decode()
    return f"data:{asset.media_type.partition(';')[0]};base64,{body}"


def markup() -> Mapping[str, str]:
    """Markup of each picture, by its name."""
    whole = page()
    head, _, rest = whole.partition("<body>")[2].partition("<main")
    return {"head": head, **dict(_SECTION.findall(whole)), "foot": rest.partition("</main>")[2]}


def source(html: str) -> str:
    """The hash of *html*, without the bytes of its pictures."""
    return sha256(re.sub(r"base64,[^\"]*", "", html).encode()).hexdigest()[:16]


async def take(chromium: Any) -> dict[str, Image.Image]:
    """All pictures, by name: by day at the left, by night at the right."""
    day, night = [await _take_scheme(chromium, scheme) for scheme in ("light", "dark")]
    return {name: _side_by_side(day[name], night[name]) for name in day}


async def _take_scheme(chromium: Any, scheme: str) -> dict[str, Image.Image]:
    found = {}
    for width, names in ((_WIDE_PX, _WIDE), (_USUAL_PX, markup().keys() - _WIDE)):
        tab = await chromium.new_page(
            viewport={"width": width, "height": 8000},
            color_scheme=scheme,
            device_scale_factor=_PICTURE_PX / width,
        )
        await tab.set_content(page())
        for name in names:
            shot = await tab.screenshot(clip=await tab.evaluate(_REGION, name))
            found[name] = Image.open(io.BytesIO(shot)).convert("RGB")
        await tab.close()
    return found


def _side_by_side(day: Image.Image, night: Image.Image) -> Image.Image:
    size = day.width + _GAP_PX + night.width, max(day.height, night.height)
    both = Image.new("RGB", size, "white")
    both.paste(day, (0, 0))
    both.paste(night, (day.width + _GAP_PX, 0))
    return both.quantize(_COLOURS)


def save(pictures: Mapping[str, Image.Image]) -> None:
    """Replace the pictures of docs/design.md."""
    PICTURES.mkdir(exist_ok=True)
    for old in PICTURES.glob("*.png"):
        old.unlink()
    for name, picture in pictures.items():
        facts = PngInfo()
        facts.add_text(SOURCE, source(markup()[name]))
        picture.save(PICTURES / f"{name}.png", optimize=True, pnginfo=facts)


async def _main() -> None:
    from playwright.async_api import async_playwright

    async with async_playwright() as driver:
        chromium = await driver.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        save(await take(chromium))
        await chromium.close()


if __name__ == "__main__":
    asyncio.run(_main())
