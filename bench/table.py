"""Output of the bench: one table, a line for every figure."""

from collections.abc import Sequence

from bench.figures import Figure

HEAD = ("part", "what", "reached", "lowest to highest", "n", "target", "verdict")


def table(figures: Sequence[Figure]) -> str:
    """As Markdown, in the order in which the parts ran."""
    rule = ["---"] * len(HEAD)
    return "\n".join(line(cells) for cells in [HEAD, rule, *map(row, figures)])


def line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def row(one: Figure) -> tuple[str, ...]:
    if one.missing:
        why = one.missing.splitlines()[0]
        return (one.part, one.name, "", "", "", "", f"not measured: {why}")
    spread = f"{number(one.low)} to {shown(one.high, one.unit)}" if one.n > 1 else ""
    reached = shown(one.reached, one.unit)
    return (one.part, one.name, reached, spread, str(one.n), target(one), one.verdict)


def target(one: Figure) -> str:
    if one.target is None:
        return ""
    sign = "≤" if one.target.at_most else "≥"
    return f"{sign} {shown(one.target.value, one.unit)}"


def shown(value: float, unit: str) -> str:
    """Like `1.25x`, `17,041 /s`, `23.1 us`."""
    return f"{number(value)}{unit}" if unit == "x" else f"{number(value)} {unit}".rstrip()


def number(value: float) -> str:
    """Three digits that matter, and no fraction from 100 on."""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"
