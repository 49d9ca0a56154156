"""Errors of backups and of retention."""

from contracts.errors import Invalid


class RetentionHeld(Invalid):
    """A pass would delete by a clock that may be wrong."""


class BackupChanged(Exception):
    """A file of a backup is not what the backup wrote."""
