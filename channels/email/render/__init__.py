"""Mails as bytes: content, HTML and text parts, headers; compiled once, filled in per recipient.

May import `contracts`, `channels.base`, `channels.email.smtp.window` and the modules of
`channels.email`.
"""
