"""Trials: events that a unit sends to its own guests alone, to see what readers would get."""
