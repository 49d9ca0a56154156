"""SQLite files with what a stream tells, for lists and reports: one writer, any number of readers.

May import producers.bus alone.
"""
