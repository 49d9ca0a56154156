"""Memory of what each start of Loa makes anew, and what never differs."""

from collections.abc import Callable, Iterator
from typing import Any

import jinja2

from design.settings import SiteIdentity
from producers.gateway import app as gateway_app
from producers.gateway import openapi_document


def once(make: Callable[..., Any], key: Callable[..., Any]) -> Callable[..., Any]:
    """*make*, called once for all arguments of one key."""
    made: dict[Any, Any] = {}

    def made_before(*args: Any, **options: Any) -> Any:
        if (known := key(*args, **options)) not in made:
            made[known] = args, make(*args, **options)  # an id is a key as long as its object lives
        return made[known][1]

    return made_before


def template_key(environment: Any, *args: Any, **options: Any) -> Any:
    """A template's source, and the catalogues whose texts are written into it."""
    catalogs = getattr(environment, "written", {}).values()
    return (*map(id, catalogs), *args, *options.items())


def docs_key(document: dict[str, Any], identity: SiteIdentity) -> tuple[int, str]:
    """A document and all that its page shows of the ministry, which settings may say."""
    return id(document), identity.model_dump_json()


def remembering() -> Iterator[tuple[Any, str, Callable[..., Any]]]:
    """Owner, name and replacement of each function that remembers what it made."""
    made = [
        (jinja2.Environment, "compile", template_key),
        (openapi_document, "build_openapi", lambda _: None),
        (gateway_app, "DocsPage", docs_key),
    ]
    return ((owner, name, once(getattr(owner, name), key)) for owner, name, key in made)
