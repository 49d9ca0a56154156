"""Former names of the modules of `loa_client`: each is the module of today itself."""

import sys
import warnings
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

_PACKAGE = "loa_client"
_FORMER = ("contracts", "producers")


class _FormerNames(MetaPathFinder, Loader):
    """Finds `contracts.x` and `producers.x`, and warns where one is first imported."""

    def find_spec(self, fullname: str, *_: object) -> ModuleSpec | None:
        former, _, name = fullname.partition(".")
        return ModuleSpec(fullname, self) if name and former in _FORMER else None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        present = f"{_PACKAGE}.{spec.name.partition('.')[2]}"
        module = import_module(present)
        spec.loader_state = module.__spec__
        text = f"{spec.name} is {present} now; the former name goes with loa-client 0.3"
        warnings.warn(text, DeprecationWarning, stacklevel=2)
        return module

    def exec_module(self, module: ModuleType) -> None:
        """Give the module its own spec back, which the import has replaced."""
        replaced = module.__spec__
        module.__spec__ = replaced.loader_state if replaced else None


def install() -> None:
    """Let the former names be found, before any path is searched for them."""
    if not any(isinstance(finder, _FormerNames) for finder in sys.meta_path):
        sys.meta_path.insert(0, _FormerNames())
