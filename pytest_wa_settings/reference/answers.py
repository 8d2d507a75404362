"""The container's health check: whether the API, or a coreapp, answers at all. It imports little."""

from __future__ import annotations

import http.client
import ssl
import sys

API, COREAPP = ("/v1/health", 443), ("/health", 6253)
SECONDS = 4.0


def answers(path: str, port: int) -> bool:
    """Whether anything is answered to a look at health; 401, without a token, is an answer."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=SECONDS)
    if port == API[1]:
        connection = http.client.HTTPSConnection("127.0.0.1", port, timeout=SECONDS, context=trusting())
    try:
        connection.request("GET", path)
        return connection.getresponse().status < 500
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def trusting() -> ssl.SSLContext:
    """A context for asking oneself, in one's own container: whose certificate it is does not matter."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


if __name__ == "__main__":
    sys.exit(0 if answers(*API) or answers(*COREAPP) else 1)
