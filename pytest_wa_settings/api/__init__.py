"""What is known of the On-Premises API, once: its calls, resources, codes, health and versions.

It imports `wire` (HTTP, which knows no endpoint) and nothing else of the package.
"""

from .driver import Driver

__all__ = ["Driver"]
