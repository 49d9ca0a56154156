"""Limits of an uploaded file, and of the process that checks it."""

_MB = 1 << 20
PARTS_MAX = 3000
UNPACKED_MAX_MB = 100
UNPACKED_MAX = UNPACKED_MAX_MB * _MB
"""Limit of all parts of a package together."""
DEPTH_MAX = 200
"""Levels of nested elements."""
NESTED_PACKAGES_MAX = 20
"""Workbooks behind the charts of a document."""
CPU_S = 20
WALL_S = 90
"""A busy machine may take long for twenty seconds of work."""
MEMORY_MB = 1024
MEMORY_MAX = MEMORY_MB * _MB
WRITTEN_MAX = 64 * _MB
