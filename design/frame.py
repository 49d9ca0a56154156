"""The frame of pages: what head and foot show, and the templates that draw it."""

import re
from collections.abc import Callable, Mapping, MutableMapping
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from contracts.catalog import load_texts
from design import assets
from design.settings import SiteIdentity

_FOLDER = Path(__file__).parent
URGENT_SHEET = "/tai-nguyen/khan.css"
"""Path of the style sheet with which the portal names an urgent item on every page."""
_MAIL_ADDRESS = re.compile(r"[^\s@,;:<>()]+@[^\s@,;:<>()]+\w")


def frame_texts() -> Mapping[str, Any]:
    """Texts of the frame and the components."""
    return load_texts(_FOLDER / "texts.toml")


@dataclass(frozen=True)
class Frame:
    """Head and foot of one face; `asset_path` gives the path at which the face serves a file."""

    asset_path: Callable[[assets.Asset], str]
    home: str = "/"
    public_url: str = ""
    """The public address of the site; without one the page does not call itself official."""
    site: SiteIdentity = field(default_factory=SiteIdentity)
    urgent_css: str = ""
    """Address of URGENT_SHEET on pages that name an urgent item; empty on others."""
    corrections: str = ""
    """Address of the list of corrected and withdrawn items; empty without one."""
    styles: tuple[Path, ...] = ()
    """Rules of the face, after those of every page."""

    @cached_property
    def text(self) -> Mapping[str, Any]:
        return frame_texts()

    @cached_property
    def host(self) -> str:
        return urlsplit(self.public_url).netloc

    @cached_property
    def report_link(self) -> str:
        """A `mailto:` for faults, to be ended with the page's address; empty without a contact."""
        found = _MAIL_ADDRESS.search(f"{self.site.email} {self.site.press}")
        subject = quote(f"{self.text['report']}: ")
        return f"mailto:{quote(found[0], safe='@')}?subject={subject}" if found else ""

    @property
    def files(self) -> tuple[assets.Asset, ...]:
        """The files that a face must serve."""
        return self._stylesheet, self._emblem, assets.icon()

    @cached_property
    def css(self) -> str:
        return self.asset_path(self._stylesheet)

    @cached_property
    def emblem(self) -> str:
        return self.asset_path(self._emblem)

    @cached_property
    def icon(self) -> str:
        return self.asset_path(assets.icon())

    @cached_property
    def _stylesheet(self) -> assets.Asset:
        return assets.stylesheet(*self.styles)

    @cached_property
    def _emblem(self) -> assets.Asset:
        return assets.emblem(self.site.emblem_file)


def design_hash(site: SiteIdentity) -> str:
    """A hash that changes whenever pages of *site* would be drawn differently."""
    files = [*sorted((_FOLDER / "templates").iterdir()), _FOLDER / "texts.toml"]
    parts = [file.read_bytes() for file in files]
    shown = [assets.stylesheet(), assets.emblem(site.emblem_file), assets.icon()]
    return sha256(b"".join([*parts, *(asset.body for asset in shown)])).hexdigest()


class _PlainGlobals(Environment):
    """Templates whose globals are one mapping; Jinja's chain of them is walked at each rendering.

    A global that is set later is missing in templates that were loaded before.
    """

    def make_globals(self, d: MutableMapping[str, Any] | None) -> MutableMapping[str, Any]:
        return {**self.globals, **(d or {})}


def page_environment(templates: Path, frame: Frame, **catalogs: Mapping[str, Any]) -> Environment:
    """The environment of a face: its *templates*, then the frame and the components."""
    environment = _PlainGlobals(
        loader=FileSystemLoader([templates, _FOLDER / "templates"]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        auto_reload=False,
        cache_size=-1,  # every template stays compiled, without a lock
    )
    environment.globals |= {"frame": frame, **catalogs}
    return environment
