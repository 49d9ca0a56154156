"""Bodies of a few characters that ask for many, each in any size up to 100,000 characters."""

from collections.abc import Callable
from random import Random

BODY_MAX = 100_000
Bomb = Callable[[int], str]


def _repeated(unit: str, before: str = "") -> Bomb:
    return lambda size: before + unit * ((size - len(before)) // len(unit))


def _references(use: str, label: str, opening: str, unit: str, closing: str = "") -> Bomb:
    """A definition in the first half, its uses in the second."""

    def body(size: int) -> str:
        definition = f"[{label}]:{opening}{unit * (size // 2 // len(unit))}{closing}\n\n"
        return definition + use * ((size - len(definition)) // len(use))

    return body


def _table(size: int) -> str:
    width = max(1, int((size / 8) ** 0.5))
    header = "|a" * width + "|\n" + "|-" * width + "|\n"
    return header + "x\n" * ((size - len(header)) // 2)


BOMBS: dict[str, Bomb] = {
    "a reference used often": _references("[a]", "a", " https://e/", "x"),
    "a picture used often": _references("![a]", "a", " /", "x"),
    "a percent-encoded reference": _references("[a]", "a", " https://e/", "ộ"),
    "a title used often": _references("[a]", "a", ' /x "', "&", '"'),
    "a title of many lines": _references("[a]", "a", " /x\n'", "b\n", "'"),
    "a definition in a quotation": _references("[a]", "a", "\n> https://e/", "x"),
    "a quoted definition": _references("[a]", "a", "\n> > https://e/", "x"),
    "a bracket in a label": _references(r"[x\]:y]", r"x\]:y", " <", "a b ", ">"),
    "two addresses in one word": _references("[b]", "a]:<c>\n[b", " <", "a ", ">"),
    "a wide table with short rows": _table,
    "a table in a quotation": lambda size: "> " + _table(size - 2),
    "lines that continue a deep quotation": _repeated("a\n", "> " * 18),
    "lines that continue a deep list": _repeated("a\n", "123456789. " * 9),
    "line breaks by reference": _repeated("&#10;", "> " * 18),
    "many numbers": _repeated("1. a\nb\n"),
    "lists that alternate": _repeated("-\n+\n"),
    "deep lists": _repeated("- - - - - - - - -\n\n"),
    "quotations": _repeated(">\n\n"),
    "rules": _repeated("***\n"),
    "headings": _repeated("#\n"),
    "underlined headings": _repeated("a\n-\n"),
    "fences": _repeated("```\n```\n"),
    "code by indentation": _repeated("    a\n\nb\n\n"),
    "code in lists": _repeated("-     a\n"),
    "tabs": _repeated("\ta\n\nb\n\n"),
    "code": _repeated("`a`"),
    "emphasis": _repeated("*a*"),
    "strong emphasis": _repeated("**a**"),
    "nested emphasis": _repeated("*a _b "),
    "closed emphasis": lambda size: "*a " * (size // 5) + "b*" * (size // 5),
    "relative links": _repeated("[](a)"),
    "relative pictures": _repeated("![](a)"),
    "links in one word": _repeated("[a](b)"),
    "links with letters": _repeated("[](ộ)"),
    "a link of letters": _repeated("ộ", "[]("),
    "addresses": _repeated("<a:b>"),
    "mail addresses": _repeated("<a@b>"),
    "an address without an end": _repeated(":", "<"),
    "ampersands": _repeated("&"),
    "quotation marks": _repeated('"'),
    "fixed spaces": _repeated("\u00a0"),
    "entities": _repeated("&nGg;"),
    "brackets": _repeated("["),
    "closing brackets": _repeated("]"),
    "open links": _repeated("[a]("),
    "definitions in one word": _repeated("]:"),
    "definitions": _repeated("[a]: b\n"),
    "angle brackets": _repeated("]:<a "),
    "nested pictures": lambda size: "![" * (size // 6) + "](a)" * (size // 6),
    "dashes": _repeated("-"),
    "dashes and spaces": _repeated("- "),
    "digits": _repeated("1."),
    "pipes": _repeated("|-"),
    "backslashes": _repeated("\\"),
    "blank": lambda size: "a" + " " * (size - 2) + "b",
}


def mixed_bomb(random: Random, size: int) -> str:
    """Some of the bombs, one behind the other or nested in quotations and lists."""
    chosen = random.sample(sorted(BOMBS), random.randrange(2, 6))
    parts = [BOMBS[name](size // len(chosen) - 2) for name in chosen]
    body = random.choice(("\n", "\n\n", " ")).join(parts)
    margin = random.choice(("", "", "> ", "- ", "1. ", "| "))
    return (margin + body.replace("\n", f"\n{margin}"))[:size]
