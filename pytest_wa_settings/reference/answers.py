"""The container's health check: whether the API answers at all. It imports no more than it needs."""

from __future__ import annotations

import http.client
import ssl
import sys

PORT = 443
SECONDS = 4.0


def answers(port: int) -> bool:
    """Whether anything is answered to a look at health; 401, without a token, is an answer."""
    context = ssl.create_default_context()
    # It asks itself, in its own container: whose certificate it is does not matter.
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    connection = http.client.HTTPSConnection("127.0.0.1", port, timeout=SECONDS, context=context)
    try:
        connection.request("GET", "/v1/health")
        return connection.getresponse().status < 500
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


if __name__ == "__main__":
    sys.exit(0 if answers(PORT) else 1)
