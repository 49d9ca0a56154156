"""The licences of installed packages, from their metadata, and which of them Loa may use."""

import re
import tomllib
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

from packaging.licenses import InvalidLicenseExpression, canonicalize_license_expression
from packaging.markers import Marker

from deploy.lock import LockedPackage

_RULES = tomllib.loads(Path(__file__).with_name("licences.toml").read_text("utf-8"))
ALLOWED: dict[str, str] = _RULES["allowed"]
"""SPDX id to the reason why it is allowed."""
STATED: dict[str, dict[str, str]] = _RULES["stated"]
"""Packages whose metadata says too little: the licence, and where it was read."""
_CLASSIFIERS = {
    "Apache Software License": "Apache-2.0",
    "ISC License (ISCL)": "ISC",
    "MIT License": "MIT",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "Python Software Foundation License": "PSF-2.0",
    "The Unlicense (Unlicense)": "Unlicense",
}
"""Classifiers that name one licence; "BSD License" names several."""


def is_wanted_here(package: LockedPackage) -> bool:
    """Whether this interpreter and system install the package at all."""
    return not package.marker or Marker(package.marker).evaluate()


def licence_of(name: str) -> str:
    """The SPDX expression of an installed package; empty if it is unknown or not installed."""
    if name in STATED:
        return STATED[name]["licence"]
    try:
        return _from_metadata(distribution(name))
    except PackageNotFoundError:
        return ""


def _from_metadata(package: Distribution) -> str:
    metadata = package.metadata
    for field in ("License-Expression", "License"):
        if expression := _spdx(metadata.get(field) or ""):
            return expression
    prefix = "License :: OSI Approved :: "
    classifiers = metadata.get_all("Classifier") or []
    named = [one.removeprefix(prefix) for one in classifiers if one.startswith(prefix)]
    ids = [_CLASSIFIERS.get(one, "") for one in named]
    return " AND ".join(sorted(ids)) if all(ids) else ""


def _spdx(text: str) -> str:
    """*text* as an SPDX expression; empty if it is none."""
    try:
        return str(canonicalize_license_expression(text)) if text.strip() else ""
    except InvalidLicenseExpression:
        return ""


def is_allowed(expression: str) -> bool:
    """Whether one alternative of the expression needs only licences that are allowed."""
    if not expression or re.search(r"[()]", expression):
        return False
    alternatives = expression.split(" OR ")
    return any(all(one in ALLOWED for one in each.split(" AND ")) for each in alternatives)
