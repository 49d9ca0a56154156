"""Development mailbox: an SMTP server that keeps every mail as a file, and its web pages.

Replaces a relay where none is configured. May import `contracts`, `channels.email.parsing` and
`channels.email.smtp_server`.
"""
