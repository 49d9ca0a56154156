"""What decides whether our mail is believed: DNS records, the relay, and a mail's own fields.

Asks the DNS and the relay; knows no bus. Findings are codes with values, their words are in
`texts.toml`.
"""
