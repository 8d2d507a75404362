"""The reference's own command: `python -m pytest_wa_settings.reference serve`, `pool`, `mutants` and more."""

from __future__ import annotations

import sys


def main(arguments: list[str]) -> int:
    """Run a command; returns the exit status."""
    if arguments[:1] == ["pool"] and len(arguments) == 1:
        from pytest_wa_settings.reference.pool import Pool

        Pool().run()
        return 0
    from pytest_wa_settings.reference.serve import main as serve

    return serve(arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
