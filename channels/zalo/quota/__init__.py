"""Quotas and money limits, counted across processes before each paid call. May import client."""
