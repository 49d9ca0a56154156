"""The SMTP engine alone, beside Postfix's load generator, a C program, and smtplib."""

import json
import subprocess
import sys
from collections.abc import Callable, Mapping

from bench.figures import Figure, Findings, at_least, ratios, typical
from bench.sink import Sink
from bench.sizes import Sizes
from bench.smtp_source import Sent, blaster, smtp_source
from bench.tools import Missing
from bench.watcher import Watcher

PART = "engine"
CONNECTIONS = 8
WINDOW = 25
DELAY_MS = 10
SLOW_SHARE = 4
"""smtplib needs four round trips for a mail and gets a quarter of the mails."""
SOURCE, BLASTER, ENGINE = "smtp-source -s 10", "C, pipelined, 10 sessions", "Loa’s engine"
SMTPLIB = "smtplib"
IN_WINDOWS = f"{ENGINE}, windows of {WINDOW}"
Runs = dict[str, list[Sent]]
Senders = Mapping[str, Callable[[], Sent]]


def measure(sizes: Sizes) -> Findings:
    """Senders take turns, repetition by repetition."""
    found = Findings()
    with Sink(counting=False) as sink:
        senders = {
            SOURCE: lambda: smtp_source(sink.port, sizes.mails),
            BLASTER: lambda: blaster(sink.port, sizes.mails),
            ENGINE: lambda: sender("engine", sink.port, sizes.mails, CONNECTIONS, WINDOW),
        }
        found.add(fast(senders, sizes.repetitions))
    with Watcher(DELAY_MS) as slow:
        few = max(1, sizes.slow_mails // SLOW_SHARE)
        senders = {
            SMTPLIB: lambda: sender("smtplib", slow.port, few),
            ENGINE: lambda: sender("engine", slow.port, sizes.slow_mails, 1, sizes.slow_mails),
            IN_WINDOWS: lambda: sender("engine", slow.port, sizes.slow_mails, 1, WINDOW),
        }
        found.add(delayed(senders, sizes.repetitions))
    return found


def fast(senders: Senders, repetitions: int) -> Findings:
    runs, without = take_turns(senders, repetitions)
    mine, source = rates(runs[ENGINE]), rates(runs[SOURCE])
    cpu_us = [run.cpu_s / run.mails * 1e6 for run in runs[ENGINE]]
    figures = [typical(PART, f"{SOURCE}, mails/s", "/s", source)]
    figures.append(typical(PART, f"{ENGINE} ÷ {SOURCE}", "x", ratios(mine, source), at_least(1.5)))
    beside = f"{ENGINE} ÷ {BLASTER}"
    if BLASTER in runs:
        gains = ratios(mine, rates(runs[BLASTER]))
        figures.append(typical(PART, beside, "x", gains, at_least(0.9)))
    else:
        figures.append(Figure.left_out(PART, beside, without[BLASTER]))
    figures.append(typical(PART, "CPU per mail, filling it included", "us", cpu_us))
    return Findings(figures, raw(runs))


def delayed(senders: Senders, repetitions: int) -> Findings:
    runs, _ = take_turns(senders, repetitions)
    theirs, name = rates(runs[SMTPLIB]), f"one connection, {DELAY_MS} ms to each reply, ÷ {SMTPLIB}"
    whole, windows = (ratios(rates(runs[who]), theirs) for who in (ENGINE, IN_WINDOWS))
    figures = [
        typical(PART, name, "x", whole, at_least(3.9)),
        typical(PART, f"the same in windows of {WINDOW}", "x", windows),
    ]
    return Findings(figures, raw(runs, DELAY_MS))


def take_turns(senders: Senders, repetitions: int) -> tuple[Runs, dict[str, str]]:
    """The runs by sender, and why the ones that are left out are."""
    runs: Runs = {}
    without: dict[str, str] = {}
    for _ in range(repetitions):
        for name, send in senders.items():
            if name in without:
                continue
            try:
                runs.setdefault(name, []).append(send())
            except Missing as missing:
                runs.pop(name), without.update({name: str(missing)})
    return runs, without


def sender(mode: str, port: int, mails: int, connections: int = 1, window: int = 1) -> Sent:
    """Raises CalledProcessError when a mail is not accepted."""
    numbers = map(str, (port, mails, connections, window))
    command = [sys.executable, "-m", "bench.sender", mode, *numbers]
    said = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
    return Sent(mails, said["s"], said["cpu_s"])


def rates(runs: list[Sent]) -> list[float]:
    return [run.rate for run in runs]


def raw(runs: Runs, delay_ms: int = 0) -> list[dict[str, object]]:
    about = {"part": PART, "delay_ms": delay_ms}
    return [
        {**about, "who": who, "mails": one.mails, "s": one.s, "cpu_s": one.cpu_s}
        for who, ran in runs.items()
        for one in ran
    ]
