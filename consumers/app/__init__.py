"""The composition root: reads settings, builds the parts once, and runs them as services."""

from consumers.app.services import SERVICES

__all__ = ["SERVICES"]
