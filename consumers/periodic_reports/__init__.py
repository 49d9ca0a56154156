"""Periodic reports: a sealed data set of a span, and the documents that are made from it."""
