"""The wa-settings command."""


def main() -> int:
    raise SystemExit("wa-settings: not built yet")
