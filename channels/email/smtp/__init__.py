"""SMTP client: pooled connections, windows of mails, and the exact result of each mail.

May import `contracts`, `channels.base`, `channels.errors` and the settings and status codes of
`channels.email`.
"""
