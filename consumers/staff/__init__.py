"""Staff: accounts, roles, sign-in and sessions of the people who work with Loa."""
