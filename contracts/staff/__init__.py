"""What staff give to sign in, shared by the command line and the desk."""
