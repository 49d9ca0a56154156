"""The result: medians of the repetitions as a Markdown table, first row the reference."""

from collections.abc import Callable, Sequence
from statistics import median

from bench.run import Run

FIGURES = (
    "ratio",
    "first mail",
    "last mail",
    "CPU per mail",
    "peak memory",
    "mails/s",
    "spread",
    "bytes per mail",
)
MIB = 1 << 20


def table(results: dict[str, Sequence[Run]]) -> str:
    """One row per contestant; repetition n is compared with the reference's repetition n."""
    reference = next(iter(results.values()))
    head = line(f"one event, {reference[0].mails:,} mails", *FIGURES)
    rule = line(*["---"] * (len(FIGURES) + 1))
    return "\n".join([head, rule, *(row(name, runs, reference) for name, runs in results.items())])


def line(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def row(name: str, runs: Sequence[Run], reference: Sequence[Run]) -> str:
    ratios = [run.rate / other.rate for run, other in zip(runs, reference, strict=True)]
    rates = [run.rate for run in runs]
    return line(
        name,
        f"{median(ratios):.2f}x",
        f"{typical(runs, lambda run: run.first_s) * 1000:.0f} ms",
        f"{typical(runs, lambda run: run.last_s):.2f} s",
        cpu(runs),
        memory(runs),
        f"{median(rates):,.0f}",
        f"{min(ratios):.2f}-{max(ratios):.2f}x",
        f"{typical(runs, lambda run: run.wire_bytes / run.mails):,.0f}",
    )


def typical(runs: Sequence[Run], figure: Callable[[Run], float]) -> float:
    return median(figure(run) for run in runs)


def cpu(runs: Sequence[Run]) -> str:
    own = typical(runs, lambda run: run.own.cpu_s / run.mails * 1e6)
    bus = typical(runs, lambda run: run.bus.cpu_s / run.mails * 1e6 if run.bus else 0)
    return f"{own:.0f} us" + (f" + {bus:.0f} us nats-server" if bus else "")


def memory(runs: Sequence[Run]) -> str:
    own = typical(runs, lambda run: run.own.peak_bytes / MIB)
    bus = typical(runs, lambda run: run.bus.peak_bytes / MIB if run.bus else 0)
    return f"{own:.0f} MB" + (f" + {bus:.0f} MB nats-server" if bus else "")
