"""The suite: a module a section of the catalog; every test names the clauses that it may decide."""
