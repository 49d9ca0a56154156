"""A sample ministry for `loa demo --desk`: people of every role, and items of every status."""
