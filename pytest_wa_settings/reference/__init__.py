"""The reference client: a program of its own, started by the testbed and never imported by the suite."""
