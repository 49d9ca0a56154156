"""Errors of uploads."""


class ScannerAway(Exception):
    """clamd gave no answer, or could not look at the file: nothing is known of it."""
