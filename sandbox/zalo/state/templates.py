"""Templates of the sandbox's Official Account, with their approval."""

import tomllib
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from sandbox.zalo.state.journal import Fact
from sandbox.zalo.state.people import FactHandler

_CATALOG = Path(__file__).with_name("templates.toml")


class Param(BaseModel):
    """One parameter of a template."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    type: Literal["STRING", "NUMBER", "DATE"] = "STRING"
    require: bool = True
    max_length: int = 30
    min_length: int = 0
    accept_null: bool = False


class Template(BaseModel):
    """A message with parameters, as Zalo approved it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str
    name: str
    title: str
    text: str  # with <parameters>
    status: Literal["ENABLE", "PENDING_REVIEW", "REJECT", "DISABLE", "DELETE"] = "ENABLE"
    tag: Literal["TRANSACTION", "CUSTOMER_CARE", "PROMOTION"] = "TRANSACTION"
    quality: Literal["HIGH", "MEDIUM", "LOW", "UNDEFINED"] = "UNDEFINED"
    params: tuple[Param, ...] = ()
    buttons: tuple[dict[str, Any], ...] = ()
    by_uid: bool = True
    day_only: bool = False  # -133 at night
    daily_limit: int | None = None  # -147
    timeout_ms: int = 7200000
    price_sdt: int = 800
    price_uid: int = 560


def shipped_routes() -> dict[str, str]:
    """The shipped template of each kind of case notice."""
    routes: dict[str, str] = _load_shipped()["notices"]
    return routes


def _load_shipped() -> dict[str, Any]:
    return tomllib.loads(_CATALOG.read_text("utf-8"))


class TemplateStore:
    """Templates by id."""

    def __init__(self) -> None:
        shipped = _load_shipped()["template"]
        self.templates = {template["id"]: Template.model_validate(template) for template in shipped}
        self.handlers: dict[str, FactHandler] = {"template_set": self.set_template}

    def set_template(self, fact: Fact, at: float) -> None:  # noqa: ARG002 -- a move
        template = Template.model_validate(fact["template"])
        self.templates[template.id] = template
