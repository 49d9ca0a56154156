"""The services behind the desk's pages; each answers for one person, as the roles allow."""
