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

from consumers.runtime.log_writer import LogWriter
from contracts.base import tracing

log = structlog.get_logger()
_PRETTY_FORMAT = "pretty"
_ARGUMENTS_START = re.compile(r"\n|(?<= callback) |[<('\"]")
"""The end of an event loop's sentence, before its arguments."""


_process: dict[str, str] = {}
"""Identity of the process, on every line."""


def name_process(name: str) -> None:
    """Let every further line bear the name of this process."""
    _process["process"] = name


def configure(log_format: str = "json", *, service: bool) -> None:
    """Log to stdout for a service, without ever waiting for a reader of it.

    A command logs errors only, to stderr. Libraries log warnings and errors.

    A command reports bus failures itself, in both languages. Tracebacks have types and places
    only: messages of exceptions and values of variables may hold texts, addresses or tokens.
    """
    stream, libraries = (sys.stdout, logging.WARNING) if service else (sys.stderr, logging.ERROR)
    out: Any = LogWriter(stream.fileno()) if service else stream
    shared, renderer = _shared_processors(log_format), _build_renderer(stream, log_format)
    structlog.configure(  # past `logging`, which takes half the time of a line
        processors=[*shared, renderer],
        logger_factory=structlog.WriteLoggerFactory(out),
        wrapper_class=structlog.make_filtering_bound_logger(
            logging.INFO if service else logging.ERROR
        ),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(out)
    handler.setFormatter(_build_formatter(shared, renderer))
    logging.basicConfig(handlers=[handler], level=libraries, force=True)


def _shared_processors(log_format: str) -> list[Processor]:
    """Processors of every line, our own and those of libraries."""
    return [
        structlog.contextvars.merge_contextvars,
        _add_process,
        _add_trace_id,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        *([] if log_format == _PRETTY_FORMAT else [ExceptionRenderer(_redacted_traceback)]),
    ]


def _add_process(_: WrappedLogger, __: str, line: EventDict) -> EventDict:
    line.update(_process)
    return line


def _add_trace_id(_: WrappedLogger, __: str, line: EventDict) -> EventDict:
    """Add the id of the trace that a line belongs to."""
    if trace_id := tracing.trace_id():
        line["trace_id"] = trace_id
    return line


def _strip_loop_arguments(_: WrappedLogger, __: str, line: EventDict) -> EventDict:
    """Drop error and arguments from an event loop's report of a failed task or callback.

    The traceback has the type and the places.
    """
    if line["_record"].name == "asyncio":
        line["event"] = _ARGUMENTS_START.split(line["event"], maxsplit=1)[0].rstrip()
    return line


def _redacted_traceback(exc_info: ExcInfo) -> list[dict[str, Any]]:
    """A traceback without messages: types, places, and the text of operating system errors."""
    stacks = ExceptionDictTransformer(show_locals=False, max_frames=20)(exc_info)
    _remove_messages(stacks, exc_info[1])
    return stacks


def _remove_messages(stacks: Iterable[dict[str, Any]], error: BaseException | None) -> None:
    """Remove the messages from *stacks*: *error*, its cause, and so on."""
    for stack in stacks:
        stack |= {"exc_value": _os_error_text(error), "exc_notes": [], "syntax_error": None}
        within = error.exceptions if isinstance(error, BaseExceptionGroup) else ()
        for inner, one in zip(stack.get("exceptions", ()), within, strict=False):
            _remove_messages(inner, one)
        error = (error.__cause__ or error.__context__) if error else None


def _os_error_text(error: BaseException | None) -> str:
    """The operating system's text for its own errors; libraries use other numbers."""
    if not isinstance(error, OSError) or type(error).__module__ != "builtins":
        return ""
    return os.strerror(error.errno) if error.errno else ""


def log_process_failure(
    kind: type[BaseException], error: BaseException, traceback: TracebackType | None
) -> None:
    """Exception hook: log an uncaught error without its message."""
    if isinstance(error, Exception):
        log.error("process_failed", exc_info=error)
    else:
        sys.__excepthook__(kind, error, traceback)


def _print_redacted(out: TextIO, exc_info: ExcInfo) -> None:
    """Print a redacted traceback for people, the innermost call last."""
    out.write("\n")
    _print_stacks(out, _redacted_traceback(exc_info))


def _print_stacks(out: TextIO, stacks: Iterable[dict[str, Any]], margin: str = "") -> None:
    for stack in stacks:
        for frame in stack["frames"]:
            out.write(f"{margin}{frame['filename']}:{frame['lineno']} in {frame['name']}\n")
        out.write(f"{margin}{stack['exc_type']} {stack['exc_value']}".rstrip() + "\n")
        for inner in stack.get("exceptions", ()):
            _print_stacks(out, inner, margin + "  ")


def _writers() -> list[LogWriter]:
    streams = [getattr(handler, "stream", None) for handler in logging.root.handlers]
    return [stream for stream in streams if isinstance(stream, LogWriter)]


def close() -> None:
    """Wait a short time until all log lines are written."""
    for writer in _writers():
        writer.close()


def log_losses() -> dict[str, int]:
    """The number of log lines that could not be written since the start; empty for none."""
    dropped = sum(writer.dropped_lines for writer in _writers())
    return {"dropped": dropped} if dropped else {}


def _build_renderer(stream: TextIO, log_format: str) -> Processor:
    if log_format == _PRETTY_FORMAT:
        colors = stream.isatty()
        return structlog.dev.ConsoleRenderer(colors=colors, exception_formatter=_print_redacted)
    return structlog.processors.JSONRenderer(ensure_ascii=False)


def _build_formatter(shared: list[Processor], renderer: Processor) -> logging.Formatter:
    """The form of libraries' lines."""
    return structlog.stdlib.ProcessorFormatter(
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        foreign_pre_chain=[_strip_loop_arguments, *shared],
    )
