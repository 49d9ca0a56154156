"""Fuzz a parser in a child process whose memory and processor time are limited.

The number of an input seeds what picks a sample and spoils it, so every run has the same inputs. A
limit of the child bounds the work of all inputs together, so no clock decides a test.
"""

import multiprocessing
import resource
import traceback
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from random import Random
from typing import NamedTuple

INPUTS = 10_000
_SAMPLE_SHARE, _MOST_CHANGES, _MOST_REPEATS, _MOST_BYTES = 0.9, 6, 2000, 1024
_MORE_MEMORY = 1 << 30
_COMMON_TOKENS = (
    b"\x00",
    b"\xff",
    b"\xed\xa0\x80",
    b"\r\n",
    b"\r",
    b"\n",
    b"%00",
    b"&#0;",
    b"<",
    b">",
    b'"',
    b"'",
    b"\\",
    b"{",
    b"[",
    b"(",
    b":",
    b",",
    b"=",
    b"\xe2\x80\xae",
    b"9" * 400,
)


class Findings(NamedTuple):
    """Results of the inputs: how many were parsed, and the first crash, if any."""

    inputs: int
    refused: int
    crash: str = ""


class Target(NamedTuple):
    """A parser of bytes with its samples, the words of its format, and the errors it may raise."""

    parse: Callable[[bytes], object]
    samples: Sequence[bytes]
    tokens: Sequence[bytes]
    refusals: tuple[type[Exception], ...] = ()
    cpu_s: int = 180


def spoiled(random: Random, target: Target) -> bytes:
    """A sample with some changes, or words of the format at random."""
    tokens = (*target.tokens, *_COMMON_TOKENS)
    if random.random() > _SAMPLE_SHARE:
        return b"".join(random.choices(tokens, k=random.randrange(1, 60)))
    data = bytearray(random.choice(target.samples))
    for _ in range(random.randrange(1, _MOST_CHANGES + 1)):
        _spoil(random, data, tokens)
    return bytes(data)


def _spoil(random: Random, data: bytearray, tokens: Sequence[bytes]) -> None:
    start = random.randrange(len(data) + 1)
    end = min(len(data), start + random.randrange(1, 40))
    match random.randrange(7):
        case 0:
            del data[start:end]
        case 1:
            data[start:end] = random.randbytes(end - start)
        case 2:
            data[start:start] = data[start:end] * random.randrange(1, 20)
        case 3:
            del data[start:]
        case 4:
            token = random.choice(tokens)
            repeats = min(random.randrange(1, _MOST_REPEATS), 1 + _MOST_BYTES // len(token))
            data[start:start] = token * repeats
        case _:
            data[start:start] = random.choice(tokens)


def fuzz(target: Target, inputs: int = INPUTS) -> Findings:
    """Parse *inputs* spoiled samples in a child. A child that dies is a crash."""
    context = multiprocessing.get_context("fork")
    receiver, sender = context.Pipe(duplex=False)
    child = context.Process(target=_run, args=(target, inputs, sender))
    child.start()
    sender.close()
    try:
        findings = receiver.recv()
    except EOFError:
        child.join()
        findings = Findings(0, 0, f"the child ended with {child.exitcode}: a limit was reached")
    child.join()
    return findings


def _run(target: Target, inputs: int, sender: Connection) -> None:
    _limit(target.cpu_s)
    refused, crash = 0, ""
    for number in range(inputs):
        data = spoiled(Random(number), target)
        try:
            target.parse(data)
        except target.refusals:
            refused += 1
        except BaseException:  # noqa: BLE001 -- each is a finding, and the parent tells it
            crash = f"{data[:2000]!r}\n{traceback.format_exc()[-3000:]}"
            break
    sender.send(Findings(number + 1, refused, crash))


def _limit(cpu_s: int) -> None:
    """Allow the process 1 GiB more than it has, and *cpu_s* seconds more of a processor."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    size = pages * resource.getpagesize() + _MORE_MEMORY
    resource.setrlimit(resource.RLIMIT_AS, (size, size))
    usage = resource.getrusage(resource.RUSAGE_SELF)
    spent = int(usage.ru_utime + usage.ru_stime)
    resource.setrlimit(resource.RLIMIT_CPU, (spent + cpu_s, spent + cpu_s))
