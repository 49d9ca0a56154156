"""From a thousand recipients to a million: whether rate and memory stay as they are."""

from collections.abc import Iterator, Sequence

from bench import loa
from bench.figures import Figure, Findings, at_least, at_most, typical
from bench.letter import TOPICS
from bench.parts.mails import ALWAYS, MIB, WARM_UP, Run, send
from bench.server import item
from bench.sink import Sink
from bench.sizes import Sizes

PART = "scale"


def measure(sizes: Sizes) -> Findings:
    """One Loa with all readers; each step is an event on a topic of its own."""
    with Sink() as sink, loa.up(PART, sink.port) as server:
        took_s = loa.import_readers(server.folder, readers(sizes.steps))
        server.deliver(sink, 1, item("warm-up", WARM_UP))
        runs = [
            send(ALWAYS, server, sink, mails, item(f"{PART}-{number}", topic(sizes.steps, mails)))
            for number, mails in enumerate(order(sizes.steps))
        ]
    known = sizes.steps[-1] + 1
    figures = [Figure(PART, f"import of {known:,} readers", "s", took_s, took_s, took_s, 1)]
    figures += [line for mails in sizes.steps for line in step(runs, mails)]
    return Findings(figures + growth(runs, sizes), [run.raw(PART) for run in runs])


def order(steps: Sequence[int]) -> list[int]:
    """The base, with which the last step is compared, runs before it and after it."""
    least, base, *more = steps
    return [least, base, base, *more, base]


def topic(steps: Sequence[int], mails: int) -> str:
    """Each step has readers of its own topic; who is in a small step is in the larger ones."""
    return TOPICS[2 + steps.index(mails)]


def readers(steps: Sequence[int]) -> Iterator[str]:
    yield loa.reader("warm-up", WARM_UP)
    for number in range(steps[-1]):
        yield loa.reader(f"reader{number}", *(topic(steps, one) for one in steps if number < one))


def of(runs: Sequence[Run], mails: int) -> list[Run]:
    return [run for run in runs if run.mails == mails]


def step(runs: Sequence[Run], mails: int) -> Iterator[Figure]:
    ran = of(runs, mails)
    yield typical(PART, f"{mails:,} recipients, mails/s", "/s", [run.rate for run in ran])
    yield typical(PART, f"{mails:,}, worker CPU per mail", "us", [run.cpu_us for run in ran])
    yield typical(PART, f"{mails:,}, peak memory", "MB", [run.own.peak_bytes / MIB for run in ran])


def growth(runs: Sequence[Run], sizes: Sizes) -> list[Figure]:
    """The last step beside the second one."""
    base, most = sizes.steps[1], sizes.steps[-1]
    before, (last, *_) = of(runs, base), of(runs, most)
    gains = [last.rate / run.rate for run in before]
    more = [(last.own.peak_bytes - run.own.peak_bytes) / MIB for run in before]
    return [
        typical(PART, f"rate at {most:,} ÷ at {base:,}", "x", gains, at_least(0.95)),
        typical(PART, f"memory at {most:,} beyond {base:,}", "MB", more, at_most(10)),
    ]
