"""The figures that have a target, drawn: how far each is beyond its target, or short of it."""

from collections.abc import Iterator, Sequence
from html import escape

from bench.figures import Figure
from bench.table import shown, target

WIDTH, ROW, TOP, BOTTOM = 960, 30, 96, 44
NAME_X, BAR_X, BAR_WIDTH, VALUE_X, VERDICT_X = 24, 480, 200, 840, 936
MOST = 2.0
"""Where bars end: twice as good as the target."""
STYLE = """\
text { font: 14px system-ui, "Segoe UI", Roboto, "Noto Sans", sans-serif; fill: #1f2328; }
.title { font-size: 18px; font-weight: 600; }
.quiet { fill: #59636e; font-size: 12px; }
.number, .verdict { text-anchor: end; }
.ground { fill: #ffffff; }
.track { fill: #eaeef2; }
.reached { fill: #1a7f37; }
.missed { fill: #bc4c00; }
.mark { stroke: #1f2328; stroke-width: 2; }
@media (prefers-color-scheme: dark) {
  text { fill: #f0f6fc; }
  .quiet { fill: #9198a1; }
  .ground { fill: #0d1117; }
  .track { fill: #21262d; }
  .reached { fill: #3fb950; }
  .missed { fill: #f0883e; }
  .mark { stroke: #f0f6fc; }
}"""


def picture(figures: Sequence[Figure], machine: str) -> str:
    """An SVG that says in words what it shows, for light and dark pages."""
    drawn = [one for one in figures if one.target and not one.missing]
    height = TOP + ROW * len(drawn) + BOTTOM
    met = sum(one.verdict == "reached" for one in drawn)
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}"'
            f' width="{WIDTH}" height="{height}" role="img" aria-labelledby="title desc">',
            f'<title id="title">Loa’s speed: {met} of {len(drawn)} targets reached</title>',
            f'<desc id="desc">{escape(words(drawn))}</desc>',
            f"<style>\n{STYLE}\n</style>",
            f'<rect class="ground" width="{WIDTH}" height="{height}" rx="8"/>',
            *head(met, len(drawn)),
            *(part for place, one in enumerate(drawn) for part in row(one, TOP + ROW * place)),
            text(NAME_X, height - 18, "quiet", machine),
            "</svg>\n",
        ]
    )


def words(drawn: Sequence[Figure]) -> str:
    return " ".join(
        f"{one.part}: {one.name}: {shown(one.reached, one.unit)}, target {target(one)},"
        f" {one.verdict.lower()}."
        for one in drawn
    )


def head(met: int, of: int) -> Iterator[str]:
    yield text(NAME_X, 36, "title", f"Loa’s speed: {met} of {of} targets reached")
    yield text(NAME_X, 58, "quiet", "Medians of one interleaved run. The line is the target;")
    yield text(NAME_X, 76, "quiet", "a bar that ends twice as far right is twice as good, or more.")
    yield text(VALUE_X, 76, "quiet number", "reached (target)")


def row(one: Figure, top: int) -> Iterator[str]:
    kind = "reached" if one.verdict == "reached" else "missed"
    middle, mark = top + 15, BAR_X + BAR_WIDTH / MOST
    long = min(goodness(one), MOST) / MOST * BAR_WIDTH
    yield text(NAME_X, middle + 5, "", f"{one.part}: {one.name}")
    yield f'<rect class="track" x="{BAR_X}" y="{top + 8}" width="{BAR_WIDTH}" height="14" rx="3"/>'
    yield f'<rect class="{kind}" x="{BAR_X}" y="{top + 8}" width="{long:.1f}" height="14" rx="3"/>'
    yield f'<path class="mark" d="M{mark} {top + 4}V{top + 26}"/>'
    value = f"{shown(one.reached, one.unit)} ({target(one)})"
    yield text(VALUE_X, middle + 5, "number", value)
    yield text(VERDICT_X, middle + 5, "verdict", f"{'✓' if kind == 'reached' else '✗'} {kind}")


def goodness(one: Figure) -> float:
    """1 exactly at the target, 2 when twice as good; a target of 0 is met or not."""
    assert one.target is not None
    if not one.target.value:
        return float(one.target.met(one.reached))
    if one.target.at_most:
        return one.target.value / max(one.reached, one.target.value / MOST)
    return max(0.0, one.reached / one.target.value)


def text(x: float, y: float, kind: str, said: str) -> str:
    return f'<text x="{x}" y="{y}" class="{kind}">{escape(said)}</text>'
