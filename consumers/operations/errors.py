"""Errors of backups."""


class BackupChanged(Exception):
    """A file of a backup is not what the backup wrote."""
