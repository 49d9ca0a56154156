"""Pages of a unit's connection: its events, quota and keys, and how its systems send."""
