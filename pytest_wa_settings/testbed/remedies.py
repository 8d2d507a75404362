"""What helps where no proper answer of a client came: by the cause, wherever it shows."""

from __future__ import annotations

from pytest_wa_settings.wire import Answer

_CHECK = "check the address: host, port and path prefix"
_BY_CAUSE = (
    ("the proxy", "see that the proxy runs, and check `proxy` in clients.toml"),
    ("no address is known", "check the host's name, or how this machine looks names up"),
    ("does not speak TLS", "give the address with http:// if the client is meant to speak plain HTTP"),
    ("plain HTTP on this port", "give the address with http:// if the client is meant to speak plain HTTP"),
    ("client certificate", "add client_cert to the client's entry in clients.toml"),
    ("has expired", "renew the client's certificate, or give --wa-insecure to take any"),
    ("not valid yet", "set the clock that is wrong, or give --wa-insecure to take any certificate"),
    ("was revoked", "give the client another certificate, or --wa-insecure to take any"),
    ("for another host name", "give the address by a name that the certificate is for, or --wa-insecure"),
    ("for another IP address", "give the address by a name that the certificate is for, or --wa-insecure"),
    ("does not know this host name", "give the address by a name that the client is set up for"),
    ("signed with a weak digest", "give the client a certificate of today's strength"),
    ("key is too weak", "give the client a key of today's strength"),
    ("TLS 1.2", "have the client, or what is in front of it, offer TLS 1.2 or newer"),
    ("no common cipher", "have the client, or what is in front of it, offer a cipher of today"),
    ("HTTP/2 only", "have the client, or what is in front of it, speak HTTP/1.1 as well"),
    ("certificate", "name the client's authority with --wa-ca FILE, or give --wa-insecure to take any"),
    ("content encoding", "have what is in front of the client encode bodies only as it was asked to"),
    ("longer than", "see what in front of the client, or in it, writes such long answers"),
    ("not framed", "see what in front of the client breaks the framing of answers"),
)
"""A phrase of an explanation, and what helps there; the first that fits."""


def remedy_for(answer: Answer, address: str) -> str | None:
    """What helps against an answer's failure; None where its words tell no more than that it failed."""
    why = answer.explanation or answer.failure or ""
    for phrase, remedy in _BY_CAUSE:
        if phrase in why:
            return remedy
    if answer.failure_kind == "tls":
        return "see how TLS is set up on the client"
    if answer.failure_kind in ("broken", "closed") and address.startswith("http://"):
        return f"give the address with https:// if the client speaks TLS, or {_CHECK}"
    return _CHECK if answer.failure_kind == "broken" else None
