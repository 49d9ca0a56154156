"""Conversion of a Word document in a process of its own."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from contracts.catalog import load_texts
from contracts.errors import FieldError, Invalid, localized
from producers.word.limits import CPU_S, MEMORY_MB, WALL_S

_WORKER = (sys.executable, "-P", "-m", "producers.word.worker")
_TEXTS = Path(__file__).with_name("texts.toml")


class ConvertedDocument(BaseModel):
    """A document as Markdown; `lost`: how often it had what Markdown cannot say, by kind."""

    markdown: str
    lost: dict[str, int] = {}


def convert_document(name: str, data: bytes) -> ConvertedDocument:
    """Convert the `.docx` *data*. Raises Invalid, whose errors name the file as *name*."""
    answer = _ask_worker(data)
    if code := answer.get("code"):
        raise Invalid(localized(name, load_texts(_TEXTS)["refused"][code], **answer["facts"]))
    return ConvertedDocument.model_validate(answer)


def loss_texts(name: str, document: ConvertedDocument) -> list[FieldError]:
    """A line for each kind of loss, in both languages."""
    texts = load_texts(_TEXTS)["lost"]
    return [localized(name, texts[loss], count=count) for loss, count in document.lost.items()]


def _ask_worker(data: bytes) -> dict[str, Any]:
    """The worker's answer; a worker that ends without one met its limits."""
    try:
        done = subprocess.run(  # noqa: S603 -- our own interpreter and module
            _WORKER,
            input=data,
            capture_output=True,
            timeout=WALL_S,
            env={"PYTHONPATH": os.pathsep.join(sys.path)},
            check=True,
        )
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired):
        facts = {"seconds": CPU_S, "memory": MEMORY_MB}
        return {"code": "too_costly", "facts": facts}
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer
