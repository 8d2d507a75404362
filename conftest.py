"""pytester, and what the project's own tests share; nothing of the product."""

pytest_plugins = ["pytester"]
