"""Replicas of the portal: the same files on other machines, written from the log."""
