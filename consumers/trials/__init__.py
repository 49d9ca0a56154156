"""Trials of units: their own history of each item, and mails to the unit's guests, to no one else.

Reads and writes buckets `trials` and `trial_units` alone, and hands letters to the ledger.
"""
