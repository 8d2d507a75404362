"""The reference client in pieces, as the real one: web, masters and coreapps that meet in a database."""
