"""Parts of every contract: base model and field types, strict JSON, times, retention,
crash points.

May import pydantic, the standard library, contracts.catalog, contracts.errors
and contracts.text."""
