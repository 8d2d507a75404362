"""What the pytest hooks call: options, the nested run of the suite, and what is shown of it."""
