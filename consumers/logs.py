"""Structured logs: one JSON line per state change; event names are a contract (docs/logs.md)."""

import logging
import sys
from typing import Any, TextIO

import structlog
from structlog.processors import ExceptionRenderer
from structlog.tracebacks import ExceptionDictTransformer
from structlog.typing import Processor

PRETTY = "pretty"
ROOMS = ("channels", "consumers", "producers")
"""Whose every line counts; of libraries only warnings do."""


def configure(log_format: str = "json", *, service: bool) -> None:
    """Log to stdout for a service; a command logs errors alone, to stderr: stdout is its answer.

    What a warning says of the bus, a command says itself where it matters, in both languages.
    Tracebacks carry no local variables: those hold addresses and tokens.
    """
    stream, libraries = (sys.stdout, logging.WARNING) if service else (sys.stderr, logging.ERROR)
    shared = steps(log_format)
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.make_filtering_bound_logger(
            logging.INFO if service else logging.ERROR
        ),
        cache_logger_on_first_use=True,
    )
    logging.basicConfig(handlers=[handler(stream, log_format, shared)], level=libraries, force=True)
    for room in ROOMS:
        logging.root.manager.getLogger(room).setLevel(logging.INFO)


def steps(log_format: str) -> list[Processor]:
    """What every line goes through, ours and that of libraries."""
    return [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        *([] if log_format == PRETTY else [ExceptionRenderer(quiet())]),
    ]


def quiet() -> ExceptionDictTransformer:
    return ExceptionDictTransformer(show_locals=False, max_frames=20)


def handler(stream: TextIO, log_format: str, shared: list[Processor]) -> logging.Handler:
    renderer: Any = (
        structlog.dev.ConsoleRenderer(
            colors=stream.isatty(), exception_formatter=structlog.dev.plain_traceback
        )
        if log_format == PRETTY
        else structlog.processors.JSONRenderer(ensure_ascii=False)
    )
    formatter = structlog.stdlib.ProcessorFormatter(
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        foreign_pre_chain=shared,
    )
    out = logging.StreamHandler(stream)
    out.setFormatter(formatter)
    return out
