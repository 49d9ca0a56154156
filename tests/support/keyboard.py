"""A page that is used by keys alone; what they reach has to be seen, marked, and in order.

`tour` goes through a whole page, forth and back; `Keys` finds one place as a person does. A locator
only says what is meant: no pointer is used, and no script sets the focus.
"""

from itertools import pairwise
from typing import Any, NamedTuple

LONGEST = 150
"""More presses than any page has places."""
PLACE = """() => {
  const all = `a[href], button, input, select, textarea, summary, iframe, [tabindex],
    [contenteditable=true]`;
  const isIn = (one) => one.type !== "radio" || one.checked
    || !document.querySelector(`input[type=radio][name="${one.name}"]:checked`);
  const places = [...document.querySelectorAll(all)].filter((one) => isIn(one)
    && (one.tabIndex >= 0 || one.isContentEditable)
    && !one.disabled && one.type !== "hidden" && one.checkVisibility());
  const one = document.activeElement;
  if (!one || one === document.body) return { at: -1, count: places.length, faults: [] };
  const name = (one.innerText || one.labels?.[0]?.innerText || one.name || one.tagName).trim();
  const box = one.getClientRects()[0] ?? { left: 0, right: 0, top: 0, bottom: 0 };
  const [left, right] = [Math.max(box.left, 0), Math.min(box.right, innerWidth)];
  const [top, bottom] = [Math.max(box.top, 0), Math.min(box.bottom, innerHeight)];
  const faults = [];
  if (right - left < 2 || bottom - top < 2) faults.push("is out of sight");
  else {
    const on = document.elementFromPoint((left + right) / 2, (top + bottom) / 2);
    const own = [one, ...one.labels ?? []];
    if (!own.some((part) => part.contains(on))) faults.push(`lies beneath ${on?.tagName}`);
  }
  const marked = [one, one.closest("[data-frame]") ?? one];
  const rings = marked.map((part) => getComputedStyle(part));
  const isRing = (look) => look.outlineStyle !== "none" && parseFloat(look.outlineWidth) >= 2;
  if (!rings.some(isRing)) faults.push("has no ring");
  return { at: places.indexOf(one), count: places.length, faults, name,
    left: box.left + scrollX, top: box.top + scrollY };
}"""
"""Where the focus is among the places that Tab should reach, and what is wrong with it."""


class Place(NamedTuple):
    """A place that has the focus; *at*: its number from the top, -1 for none."""

    at: int
    count: int
    faults: tuple[str, ...] = ()
    name: str = ""
    left: float = 0.0
    top: float = 0.0

    def is_before(self, other: "Place") -> bool:
        """Whether it lies above *other* and not to the right: there a reader has been."""
        return self.top < other.top - 2 and self.left <= other.left + 2


async def place_of(page: Any) -> Place:
    found = await page.evaluate(PLACE)
    return Place(**found | {"faults": tuple(found["faults"])})


async def tour(page: Any) -> list[str]:
    """Faults of a page that was just opened, on the way by Tab and back by Shift+Tab."""
    await page.wait_for_load_state()  # its style, too: without it nothing has a ring
    forth, back = await _way(page, "Tab"), await _way(page, "Shift+Tab")
    count = forth[0].count
    wrong = [f"{one.name!r} {fault}" for one in forth for fault in one.faults]
    wrong += [
        f"{after.name!r} comes after {one.name!r}"
        for one, after in pairwise(forth)
        if after.is_before(one)
    ]
    for way, wanted in ((forth, range(count)), (back, range(count - 1, -1, -1))):
        reached = [one.at for one in way]
        if reached != [*wanted]:
            names = {one.at: one.name[:20] for one in way}
            wrong.append(f"of {count} places {reached} are reached: {names}")
    return wrong


async def _way(page: Any, key: str) -> list[Place]:
    """The places that *key* reaches until it leaves the page, or comes to one again."""
    found: list[Place] = []
    for _ in range(LONGEST):
        await page.keyboard.press(key)
        place = await place_of(page)
        if found and place.at == found[-1].at:
            continue  # a part of the same place: the day of a date, a cell of a table
        if place.at in [-1, *(one.at for one in found)] and found:
            break
        found.append(place)
    return [one for one in found if one.at >= 0]


class Keys:
    """A person without a pointer. *faults*: of the places on the way."""

    def __init__(self, page: Any) -> None:
        self.page = page
        self.faults: list[str] = []

    async def reach(self, target: Any, key: str = "Tab") -> None:
        """Press *key* until *target* has the focus, on a page that is whole."""
        await target.wait_for()
        await self.page.wait_for_load_state()
        for _ in range(LONGEST):
            if await target.evaluate("one => one === document.activeElement"):
                return
            await self.page.keyboard.press(key)
            place = await place_of(self.page)
            self.faults += [f"{self.page.url}: {place.name!r} {one}" for one in place.faults]
        raise AssertionError(f"no way to {target} by {key}; the focus is on {place.name!r}")

    async def press(self, target: Any, key: str = "Enter") -> None:
        """Go to a link or button, and press it."""
        await self.reach(target)
        await self.page.keyboard.press(key)

    async def write(self, target: Any, text: str) -> None:
        """Go to a field, and type; what a one-line field had is selected by Tab, and goes."""
        await self.reach(target)
        await self.page.keyboard.type(text)

    async def choose(self, target: Any, value: str) -> None:
        """Go to a list, and take the option with *value* by the arrows."""
        await self.reach(target)
        for _ in range(LONGEST):
            if await target.input_value() == value:
                return
            await self.page.keyboard.press("ArrowDown")
        raise AssertionError(f"no {value} in {target}")
