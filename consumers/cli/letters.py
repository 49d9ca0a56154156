"""Dead letters as people read them, in both languages."""

import json
from collections.abc import Iterable, Iterator, Sequence
from difflib import unified_diff

import typer

from consumers.cli.answers import print_table
from consumers.dead_letters import Decision, Letter, Sending
from consumers.dead_letters.bulk import Summary

TIME = "%Y-%m-%d %H:%M:%S"
COLUMNS = (
    "id",
    "first (UTC)",
    "last (UTC)",
    "times",
    "from",
    "unit",
    "content_id",
    "field",
    "lỗi",
    "what is wrong",
    "ended",
)


def print_list(letters: Iterable[Letter]) -> None:
    print_table(COLUMNS, [row(letter) for letter in letters])


def row(letter: Letter) -> Sequence[object]:
    error = letter.errors[0]
    return (
        letter.id,
        f"{letter.at:{TIME}}",
        f"{letter.last or letter.at:{TIME}}",
        letter.times,
        letter.origin.subject,
        letter.about.unit,
        letter.about.content_id,
        error.field,
        error.message_vi,
        error.message,
        ending(letter.ended),
    )


def ending(decision: Decision | None) -> str:
    if decision is None:
        return ""
    return " ".join(filter(None, (decision.state, decision.by, decision.reason)))


def print_letter(letter: Letter) -> None:
    """Everything there is to know about one letter."""
    origin = letter.origin
    typer.echo(f"{letter.id}: {origin.subject}, {origin.stream} #{origin.seq}")
    last = letter.last or letter.at
    typer.echo(f"  {letter.at:{TIME}} UTC ... {last:{TIME}} UTC, {letter.times}x")
    for name, value in letter.about:
        if value:
            typer.echo(f"  {name}: {value}")
    for error in letter.errors:
        typer.echo(f"  {error.field}: {error.message_vi}\n  {error.field}: {error.message}")
    if letter.left_out:
        typer.echo(f"  left out, and erased where it lay: {', '.join(letter.left_out)}")
    for decision in letter.decisions:
        typer.echo(f"  {told(decision)}")
    typer.echo(visible(letter.original))


def told(decision: Decision) -> str:
    """One decision in a line; hashes say whether two bodies are the same."""
    facts = [f"{decision.at:{TIME}} UTC", decision.state, f"by {decision.by or '?'}"]
    if decision.sent_to:
        facts.append(f"to {decision.sent_to}")
    if not decision.done:
        facts.append("(begun, not known to be finished)")
    if decision.after != decision.before and decision.after:
        facts.append(f"sha256 {decision.before[:12]} -> {decision.after[:12]}")
    return " ".join(filter(None, (*facts, decision.reason)))


def difference(letter: Letter, mended: Sending) -> Iterator[str]:
    """The original and what is to take its place, line by line."""
    old, new = (lines(body) for body in (letter.original, mended.body))
    return unified_diff(old, new, f"dead letter {letter.id}", "mended", lineterm="", n=1)


def lines(body: bytes) -> list[str]:
    """One value a line where it is JSON, so that a diff names what differs."""
    try:
        text = json.dumps(json.loads(body), ensure_ascii=False, indent=1, sort_keys=True)
    except (ValueError, RecursionError):
        return visible(body).splitlines()
    return visible(text.encode(errors="replace")).splitlines()


def visible(body: bytes) -> str:
    """Somebody else's text, without what could steer a terminal."""
    text = body.decode("utf-8", "replace")
    return "".join(c if c.isprintable() or c in "\n\t" else f"U+{ord(c):04X}" for c in text)


def print_ending(letter: Letter) -> None:
    typer.echo(f"{letter.id}: {told(letter.decisions[-1])}")


def print_summary(summary: Summary) -> None:
    """One line a letter, then the numbers."""
    print_table(
        ("id", "unit", "content_id", "sent to"),
        [(one.id, one.unit, one.content_id, one.sent_to) for one in summary.done],
    )
    verb = "chosen, nothing done (dry run)" if summary.dry_run else "done"
    typer.echo(
        f"{len(summary.done)} {verb}, {len(summary.refused)} refused, {len(summary.left)} left"
    )
