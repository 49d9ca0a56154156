"""Pages of those who keep Loa running: dead letters, operations, the log, the roles."""
