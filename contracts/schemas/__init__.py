"""JSON Schemas and the AsyncAPI document, and the code that writes them and judges changes.

`python -m contracts.schemas.schema_files` writes them anew. May import contracts."""
