"""The portal's index in SQLite: shown items, listings and pending files. Builds on model."""
