"""What every contract is made of: the base model and its field types, strict JSON, times, crash points.

May import pydantic, the standard library, contracts.errors and contracts.text."""
