"""Limits of a document, and of the process that reads it."""

_MB = 1024 * 1024
FILE_MAX_MB = 20
FILE_MAX = FILE_MAX_MB * _MB
UNPACKED_MAX_MB = 10
UNPACKED_MAX = UNPACKED_MAX_MB * _MB
"""Limit of all XML parts together; pictures are not unpacked."""
PARTS_MAX = 1000
DEPTH_MAX = 100
"""Levels of nested elements; a picture in a table in a table has about 30."""
CPU_S = 10
WALL_S = 60
"""A busy machine may take long for ten seconds of work."""
MEMORY_MB = 1024
MEMORY_MAX = MEMORY_MB * _MB
