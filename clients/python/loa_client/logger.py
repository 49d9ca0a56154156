"""The client's log: Python's own `logging`, so that the application governs it."""

import logging
from typing import Any

import structlog

_render_facts = structlog.processors.LogfmtRenderer()


def get_logger() -> Any:
    """Logger that is called as structlog's is, and writes to the logger `loa_client`.

    All modules of the wheel have it. The application's settings of structlog are neither used nor
    changed.
    """
    return structlog.wrap_logger(
        logging.getLogger("loa_client"),  # noqa: TID251 -- the application's own logging governs it
        processors=[structlog.stdlib.filter_by_level, _render],
        wrapper_class=structlog.stdlib.BoundLogger,
        context_class=dict,
        cache_logger_on_first_use=False,
    )


def _render(logger: object, level: str, facts: structlog.typing.EventDict) -> str:
    """The event and its facts, as in `door_away reason=unavailable`."""
    return " ".join((facts.pop("event"), _render_facts(logger, level, facts))).rstrip()
