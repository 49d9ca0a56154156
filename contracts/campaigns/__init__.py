"""Campaigns: the plan of one, the items that join it, what is done beside what was planned.

Pure; may import contracts.base, contracts.text, contracts.catalog and contracts.errors.
"""
