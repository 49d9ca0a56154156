"""Uploaded files behind the desk: checks, the store, how the portal gets them, their erasure."""
