"""Convert the document on stdin, within limits of time and memory; the answer is JSON on stdout.

A hostile document that exhausts a parser ends this process alone, which has no environment and no
connection to the bus, and writes no file.
"""

import json
import resource
import sys

from producers.word.errors import DocumentRefused
from producers.word.limits import CPU_S, MEMORY_MAX

_RECURSION_MAX = 5000
"""mammoth recurses several times for each level of elements."""


def main() -> None:
    """Answer `{"markdown", "lost"}`, or `{"code", "facts"}` for a refused document."""
    _limit()
    from producers.word.read import read_document  # its libraries load within the limits

    try:
        converted = read_document(sys.stdin.buffer.read())
        answer: dict[str, object] = {"markdown": converted.markdown, "lost": converted.losses}
    except DocumentRefused as refused:
        answer = {"code": refused.code, "facts": refused.facts}
    json.dump(answer, sys.stdout)


def _limit() -> None:
    sys.setrecursionlimit(_RECURSION_MAX)
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_S, CPU_S))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_MAX, MEMORY_MAX))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))


if __name__ == "__main__":
    main()
