"""Reporting: read-only answers about items, readers, drafts and channels."""
