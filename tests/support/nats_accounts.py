"""Accounts of a server that is not embedded: Loa's, and the system's with what Loa asks it."""

ACCOUNTS = """
system_account: SYS
accounts {
  SYS {
    users: [{user: sys, password: sys}]
    exports: [{service: "$SYS.REQ.SERVER.PING.JSZ", response_type: stream, accounts: [LOA]}]
  }
  LOA {
    jetstream: enabled
    users: [{user: loa, password: loa}]
    imports: [{service: {account: SYS, subject: "$SYS.REQ.SERVER.PING.JSZ"}}]
  }
}
"""
