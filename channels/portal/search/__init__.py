"""Full-text search of shown items: documents, index, queries, snippets.

Builds on model, index and storage.
"""
