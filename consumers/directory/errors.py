"""Errors of the subscriber directory."""


class DirectoryFileGone(Exception):
    """The directory's file was deleted or replaced while it was open."""
