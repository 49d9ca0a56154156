"""The contracts of Loa: events, identity keys, records, and errors that name the wrong field.

Any package may import this one; other systems get it with `loa-client`. It imports pydantic and
the standard library only, and does no I/O but reading its own files; `contracts.testing` alone
imports pytest. Call functions through their modules: `keys.event_id(...)`,
`envelope.decode(...)`, `events.check(...)`, `publication.encode(...)`.
"""
