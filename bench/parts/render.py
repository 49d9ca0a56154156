"""Cost of one reader's mail beyond the publication: bytes put together, or a message built."""

import time
from collections.abc import Callable
from email import message_from_bytes, policy
from email.message import EmailMessage

from bench import letter
from bench.figures import Findings, at_least, ratios, typical
from bench.sizes import Sizes
from channels.email.render.compiled import Placeholder

PART = "render"
SHARE = 100
"""An EmailMessage takes so much longer that it is built so much less often."""
ROUNDS = 5


def measure(sizes: Sizes) -> Findings:
    """Each way in turn, several times over, in microseconds."""
    few = max(1, sizes.renders // SHARE)
    ways: dict[str, tuple[Callable[[], object], int]] = {
        "fill": (filling(), sizes.renders),
        "envelope": (addressing(), sizes.renders),
        "build": (building(), few),
    }
    took: dict[str, list[float]] = {way: [] for way in ways}
    for _ in range(ROUNDS):
        for way, (make, times) in ways.items():
            took[way].append(us(make, times))
    fills, whole = (ratios(took["build"], took[way]) for way in ("fill", "envelope"))
    lines = [
        typical(PART, "EmailMessage for each reader", "us", took["build"]),
        typical(PART, "the mould filled", "us", took["fill"]),
        typical(PART, "checked, signed, encoded and filled", "us", took["envelope"]),
        typical(PART, "EmailMessage ÷ the mould filled", "x", fills, at_least(1000)),
        typical(PART, "EmailMessage ÷ checked, signed, encoded and filled", "x", whole),
    ]
    return Findings(lines, [{"part": PART, "way": way, "us": found} for way, found in took.items()])


def us(make: Callable[[], object], times: int) -> float:
    started = time.perf_counter()
    for _ in range(times):
        make()
    return (time.perf_counter() - started) / times * 1e6


def filling() -> Callable[[], bytes]:
    """Values that are known already, into the mould."""
    values = dict.fromkeys(Placeholder, b"0" * 24)
    mould = letter.rendered().compiled_mail(False)
    return lambda: mould.fill(values)


def addressing() -> Callable[[], object]:
    """All that a worker does for a row, another one each time."""
    numbers, rendered = iter(range(10**9)), letter.rendered()
    rows = [letter.reader(number) for number in range(1000)]
    return lambda: rendered.envelope(rows[next(numbers) % len(rows)])


def building() -> Callable[[], bytes]:
    """The same texts through Python's email package."""
    shown = message_from_bytes(
        letter.rendered().envelope(letter.reader(0)).body, policy=policy.default
    )
    text, html = (shown.get_body((kind,)).get_content() for kind in ("plain", "html"))

    def build() -> bytes:
        mail = EmailMessage()
        mail["From"], mail["To"] = str(shown["From"]), "Người đọc <reader0@example.com>"
        mail["Subject"], mail["Message-ID"] = letter.TITLE, "<0@example.com>"
        mail["List-Unsubscribe"] = "<https://loa.example/huy/0>"
        mail.set_content(text)
        mail.add_alternative(html, subtype="html")
        return mail.as_bytes()

    return build
