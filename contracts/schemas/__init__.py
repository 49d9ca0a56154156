"""Committed JSON Schemas and AsyncAPI document, the generator, and the check of changes.

`python -m contracts.schemas.schema_files` writes the files. May import contracts.
"""
