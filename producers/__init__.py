"""Producers put a message on the bus first: on behalf of a person, a clock or another system.

They own the bus (`producers.bus`), the embedded server and the doors through which events come in.
May import: contracts. Never channels, never consumers.
"""
