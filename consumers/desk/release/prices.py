"""Prices of sending, by `prices.toml`."""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from contracts.errors import Invalid, Unreadable, explain, field_error

PRICES_FILE = "prices.toml"
"""Its name beside this module; a file of this name in the data folder replaces it."""


class Price(BaseModel):
    """The price of one effect in đồng; None if it is not known. *source*: who says so."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    each: Annotated[int, Field(strict=True, ge=0)] | None = None
    source: str = ""


Prices = Mapping[str, Price]
_PRICES = TypeAdapter(dict[str, Price])


def load_prices(own: Path) -> Prices:
    """The prices in the operator's file *own*, or those that ship with Loa; an empty file is none.

    Raises Unreadable or Invalid, naming file and entry.
    """
    shipped = Path(__file__).with_name(PRICES_FILE)
    text = own.read_text("utf-8") if own.exists() else ""
    try:
        return _PRICES.validate_python(tomllib.loads(text or shipped.read_text("utf-8")))
    except tomllib.TOMLDecodeError as error:
        raise Unreadable(field_error(PRICES_FILE, "not_toml", detail=error)) from error
    except ValidationError as error:
        raise Invalid(*explain(error, PRICES_FILE)) from error
