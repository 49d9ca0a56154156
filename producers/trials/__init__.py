"""Trials at the HTTP door: checked as events in earnest are, and stored for a unit's guests alone.

May import contracts, producers.bus, producers.acceptance and producers.units.
"""

from producers.trials.acceptance import TrialAcceptance

__all__ = ["TrialAcceptance"]
