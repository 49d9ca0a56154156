"""Bodies of the sandbox's controls, parsed strictly."""

import json
from typing import TypeVar

from aiohttp import web
from pydantic import BaseModel, ValidationError

M = TypeVar("M", bound=BaseModel)
_EMPTY = b"{}"


async def parse_request(request: web.Request, model: type[M]) -> M:
    """The body as *model*, or 400 with the errors. An empty body means the defaults."""
    try:
        return model.model_validate_json(await request.read() or _EMPTY)
    except ValidationError as error:
        wrong = error.json(include_url=False, include_context=False)
        raise web.HTTPBadRequest(text=wrong, content_type="application/json") from error


def bad_request(words: str) -> web.HTTPBadRequest:
    """400 for a well-formed request that cannot be done."""
    return web.HTTPBadRequest(text=json.dumps({"error": words}), content_type="application/json")
