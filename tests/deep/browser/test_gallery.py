"""The pictures of docs/design.md look like the components of today."""

import asyncio

import pytest
from PIL import Image, ImageChops

from tests.design import gallery
from tests.support import requirements

_THUMB = (64, 16)
"""So small that letters are grey: other versions of a font make no difference, other colours do."""
_LIMIT = 40
"""Of 255, at the place that differs most."""


@pytest.fixture(scope="module")
def taken(browser):
    requirements.noto_sans()
    taking = asyncio.run_coroutine_threadsafe(gallery.take(browser.chromium), browser.loop)
    return taking.result(60)


def difference(one: Image.Image, other: Image.Image) -> int:
    small = [picture.convert("RGB").resize(_THUMB) for picture in (one, other)]
    return max(most for _, most in ImageChops.difference(*small).getextrema())


def test_every_picture_shows_the_component_of_today(taken):
    stale = []
    for name, now in taken.items():
        with Image.open(gallery.PICTURES / f"{name}.png") as stored:
            is_alike = abs(stored.height - now.height) <= 0.1 * now.height
            if not is_alike or difference(stored, now) > _LIMIT:
                stale.append(name)
    assert stale == [], "run python -m tests.design.gallery"


def test_another_colour_and_another_height_are_seen(taken):
    button = taken["button"].convert("RGB")
    assert difference(button, ImageChops.invert(button)) > _LIMIT
    assert difference(taken["notice"], taken["badge"]) > _LIMIT
