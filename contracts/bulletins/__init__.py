"""Bulletins: their series, an issue with its items, its proposal, its editing and its text.

Pure; may import contracts.base, contracts.text, contracts.catalog and contracts.errors.
"""
