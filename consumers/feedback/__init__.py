"""Feedback: provider receipts become evidence in the ledger."""
