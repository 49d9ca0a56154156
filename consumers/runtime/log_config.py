"""Structured logs: one JSON line per state change; event names are a contract (docs/logs.md)."""

import logging
import os
import re
import sys
from collections.abc import Iterable
from types import TracebackType
from typing import Any, TextIO

import structlog
from structlog.processors import ExceptionRenderer
from structlog.tracebacks import ExceptionDictTransformer
from structlog.typing import EventDict, ExcInfo, Processor, WrappedLogger

log = structlog.get_logger()
PRETTY_FORMAT = "pretty"
OWN_PACKAGES = ("channels", "consumers", "producers")
"""Whose every line counts; of libraries only warnings do."""
ARGUMENTS_START = re.compile(r"\n|(?<= callback) |[<('\"]")
"""Where an event loop's sentence ends and what it shows begins."""


def configure(log_format: str = "json", *, service: bool) -> None:
    """Log to stdout for a service; a command logs errors alone, to stderr: stdout is its answer.

    What a warning says of the bus, a command says itself where it matters, in both languages.
    Tracebacks tell types and places. What an exception says, and what variables hold, may be
    somebody's text, address or token.
    """
    stream, libraries = (sys.stdout, logging.WARNING) if service else (sys.stderr, logging.ERROR)
    shared = shared_processors(log_format)
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.make_filtering_bound_logger(
            logging.INFO if service else logging.ERROR
        ),
        cache_logger_on_first_use=True,
    )
    logging.basicConfig(
        handlers=[build_handler(stream, log_format, shared)], level=libraries, force=True
    )
    for room in OWN_PACKAGES:
        logging.root.manager.getLogger(room).setLevel(logging.INFO)


def shared_processors(log_format: str) -> list[Processor]:
    """What every line goes through, ours and that of libraries."""
    return [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        *([] if log_format == PRETTY_FORMAT else [ExceptionRenderer(redacted_traceback)]),
    ]


def strip_loop_arguments(_: WrappedLogger, __: str, line: EventDict) -> EventDict:
    """What an event loop says of a failed task or callback, without its error and arguments.

    Nothing is lost: the traceback has the type and the places.
    """
    if line["_record"].name == "asyncio":
        line["event"] = ARGUMENTS_START.split(line["event"], maxsplit=1)[0].rstrip()
    return line


def redacted_traceback(exc_info: ExcInfo) -> list[dict[str, Any]]:
    """A traceback without words: of an exception its type, and what the system calls an error."""
    stacks = ExceptionDictTransformer(show_locals=False, max_frames=20)(exc_info)
    remove_messages(stacks, exc_info[1])
    return stacks


def remove_messages(stacks: Iterable[dict[str, Any]], error: BaseException | None) -> None:
    """Take the words out of *stacks*, which are *error*, what caused it, and so on."""
    for stack in stacks:
        stack |= {"exc_value": os_error_text(error), "exc_notes": [], "syntax_error": None}
        within = error.exceptions if isinstance(error, BaseExceptionGroup) else ()
        for inner, one in zip(stack.get("exceptions", ()), within, strict=False):
            remove_messages(inner, one)
        error = (error.__cause__ or error.__context__) if error else None


def os_error_text(error: BaseException | None) -> str:
    """What the operating system calls its own error; libraries number theirs otherwise."""
    if not isinstance(error, OSError) or type(error).__module__ != "builtins":
        return ""
    return os.strerror(error.errno) if error.errno else ""


def log_process_failure(
    kind: type[BaseException], error: BaseException, traceback: TracebackType | None
) -> None:
    """The last line of a process that ends for a reason nobody foresaw: Python would tell words."""
    if isinstance(error, Exception):
        log.error("process_failed", exc_info=error)
    else:
        sys.__excepthook__(kind, error, traceback)


def print_redacted(out: TextIO, exc_info: ExcInfo) -> None:
    """The same for people, the innermost call last."""
    out.write("\n")
    print_stacks(out, redacted_traceback(exc_info))


def print_stacks(out: TextIO, stacks: Iterable[dict[str, Any]], margin: str = "") -> None:
    for stack in stacks:
        for frame in stack["frames"]:
            out.write(f"{margin}{frame['filename']}:{frame['lineno']} in {frame['name']}\n")
        out.write(f"{margin}{stack['exc_type']} {stack['exc_value']}".rstrip() + "\n")
        for inner in stack.get("exceptions", ()):
            print_stacks(out, inner, margin + "  ")


def build_handler(stream: TextIO, log_format: str, shared: list[Processor]) -> logging.Handler:
    renderer: Any = (
        structlog.dev.ConsoleRenderer(colors=stream.isatty(), exception_formatter=print_redacted)
        if log_format == PRETTY_FORMAT
        else structlog.processors.JSONRenderer(ensure_ascii=False)
    )
    formatter = structlog.stdlib.ProcessorFormatter(
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        foreign_pre_chain=[strip_loop_arguments, *shared],
    )
    out = logging.StreamHandler(stream)
    out.setFormatter(formatter)
    return out
