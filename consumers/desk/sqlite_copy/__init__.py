"""SQLite files with what a stream tells, for lists and reports: one writer, any number of readers.

May import producers.bus, and from consumers.directory its lock alone.
"""
