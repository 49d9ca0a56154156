"""Preparations of the process from which Loas are forked: its children share what it has made.

Importing this module is the preparation; only the fork server does.
"""

import gc
import time
from collections.abc import Iterator
from functools import partialmethod

import jinja2
from pydantic import BaseModel

from consumers.staff.policy import default_policy
from contracts.desk.deadlines import default_deadlines
from contracts.vocabulary import DEFAULT
from design.settings import SiteIdentity
from producers.bus import Bus
from producers.bus.connection import Connection
from producers.desk.rendering import desk_texts
from producers.gateway import add_docs_page, create_gateway
from producers.pages.rendering import page_texts
from tests.support.made_once import remembering


def _models(base: type[BaseModel]) -> Iterator[type[BaseModel]]:
    """All models that are imported; most would be built when a process first uses them."""
    for model in base.__subclasses__():
        yield model
        yield from _models(model)


def _prepare() -> None:
    for owner, name, remembers in remembering():
        setattr(owner, name, remembers)
    compiled = jinja2.FileSystemBytecodeCache()
    jinja2.Environment.__init__ = partialmethod(
        jinja2.Environment.__init__, bytecode_cache=compiled
    )
    for read in (desk_texts, page_texts, default_policy, default_deadlines):
        read()
    for model in _models(BaseModel):
        model.model_rebuild()
    add_docs_page(create_gateway(Bus(Connection()), DEFAULT, time.time), SiteIdentity())
    gc.collect()
    gc.freeze()  # or each child would search, and copy, all that is imported


_prepare()
