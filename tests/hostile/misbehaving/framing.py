"""Clients whose HTTP is broken: lengths, chunks, headers, compression and redirects that do not hold."""

from __future__ import annotations

import gzip
import zlib
from typing import Any

from .stage import Stage, always, hostile, plain, read_request

JSON = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
BROKEN = r"not as a WhatsApp Business API client: it breaks the rules of HTTP"
LONG = r"not as a WhatsApp Business API client: .*(longer than 64 KiB|(longer|more) than 16 MiB)"


def flood(stage: Stage, first: bytes, piece: bytes) -> str:
    """The address of a server that sends `first`, then `piece` again and again, as fast as it is read."""

    def handler(connection: Any) -> None:
        read_request(connection)
        connection.sendall(first)
        while not stage.over.is_set():
            connection.sendall(piece)

    return stage.raw(handler)


@hostile(LONG)
def endless_headers(stage: Stage) -> str:
    """Header after header, and never a body."""
    return flood(stage, JSON, b"X-More: and more\r\n" * 100)


@hostile(LONG)
def one_endless_header(stage: Stage) -> str:
    """One header line without an end."""
    return flood(stage, JSON + b"X-Long: ", b"x" * 65536)


@hostile(LONG)
def endless_body(stage: Stage) -> str:
    """A body of unknown length that does not end."""
    return flood(stage, JSON + b"Connection: close\r\n\r\n", b" " * 65536)


@hostile(LONG)
def endless_chunks(stage: Stage) -> str:
    """Chunk after chunk."""
    return flood(stage, JSON + b"Transfer-Encoding: chunked\r\n\r\n", b"10000\r\n" + b" " * 65536 + b"\r\n")


@hostile(LONG)
def two_gigabytes_announced(stage: Stage) -> str:
    """A body of 2 GB is announced, and 200 MB of it are sent."""

    def handler(connection: Any) -> None:
        read_request(connection)
        connection.sendall(JSON + b"Content-Length: 2147483648\r\n\r\n")
        for _ in range(200):
            connection.sendall(b"x" * 2**20)
        stage.over.wait()

    return stage.raw(handler)


@hostile(r"closed before its announced end")
def content_length_too_long(stage: Stage) -> str:
    """More is announced than comes."""
    return stage.raw(always(JSON + b"Content-Length: 400\r\n\r\n{}"))


@hostile(r"its login gives no token")
def content_length_too_short(stage: Stage) -> str:
    """Less is announced than comes: the rest looks like the next answer."""
    body = b'{"users": [{"token": "abcdef", "expires_after": "2099-01-01 00:00:00+00:00"}]}'
    return stage.raw(always(JSON + b"Content-Length: 12\r\n\r\n" + body))


@hostile(BROKEN)
def two_content_lengths(stage: Stage) -> str:
    """Two lengths that differ."""
    return stage.raw(always(JSON + b"Content-Length: 2\r\nContent-Length: 4\r\n\r\n{}  "))


@hostile(BROKEN)
def content_length_is_no_number(stage: Stage) -> str:
    """A length below nothing."""
    return stage.raw(always(JSON + b"Content-Length: -2\r\n\r\n{}"))


@hostile(r"its login gives no token")
def length_and_chunks(stage: Stage) -> str:
    """Both ways to tell the length, as in request smuggling."""
    body = b"2\r\n{}\r\n0\r\n\r\n"
    return stage.raw(always(JSON + b"Content-Length: 200\r\nTransfer-Encoding: chunked\r\n\r\n" + body))


@hostile(BROKEN)
def broken_chunks(stage: Stage) -> str:
    """A chunk's size that is no number."""
    return stage.raw(always(JSON + b"Transfer-Encoding: chunked\r\n\r\nZZ\r\n{}\r\n0\r\n\r\n"))


@hostile(r"closed before its announced end")
def chunks_cut_off(stage: Stage) -> str:
    """The last chunk never comes."""
    return stage.raw(always(JSON + b"Transfer-Encoding: chunked\r\n\r\n40\r\n{"))


@hostile(LONG)
def gzip_bomb(stage: Stage) -> str:
    """A few hundred kilobytes that unpack to 400 MB."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    bomb = b"".join(packer.compress(b" " * 2**20) for _ in range(400)) + packer.flush()
    return stage.raw(always(plain(bomb, "200 OK", "Content-Encoding: gzip")))


@hostile(r"content encoding ends too early")
def gzip_lie(stage: Stage) -> str:
    """Said to be gzip, and is cut in the middle."""
    return stage.raw(always(plain(gzip.compress(b"{}" * 900)[:-9], "200 OK", "Content-Encoding: gzip")))


@hostile(BROKEN)
def status_out_of_range(stage: Stage) -> str:
    """A status of four digits."""
    return stage.raw(always(b"HTTP/1.1 2000 OK\r\nContent-Length: 2\r\n\r\n{}"))


@hostile(r"answered the login 999")
def status_999(stage: Stage) -> str:
    """A status that no one knows."""
    return stage.raw(always(plain(b"{}", "999 Who knows")))


@hostile(BROKEN)
def nul_in_a_header(stage: Stage) -> str:
    """A header with a NUL in it."""
    return stage.raw(always(JSON + b"X-Nul: a\x00b\r\nContent-Length: 2\r\n\r\n{}"))


@hostile(r"it redirects \(status 30[278]\)")
def redirects_to_itself(stage: Stage) -> str:
    """307 to the same place."""

    def handler(connection: Any) -> None:
        target = read_request(connection).split(b" ")[1].decode("latin-1")
        connection.sendall(plain(b"", "307 Temporary Redirect", f"Location: {target}"))

    return stage.raw(handler)


@hostile(r"it redirects \(status 30[278]\)")
def redirects_elsewhere(stage: Stage) -> str:
    """302 to another server, which must never be asked: it would be given the administrator's password."""
    asked: list[bytes] = []
    elsewhere = stage.raw(lambda connection: asked.append(read_request(connection)))
    stage.checks.append(lambda _: "the redirect was followed" if asked else None)
    return stage.raw(always(plain(b"", "302 Found", f"Location: {elsewhere}/v1/users/login")))


@hostile(r"it redirects \(status 30[278]\)")
def redirects_to_a_file(stage: Stage) -> str:
    """308 to a file of the machine that the suite runs on."""
    return stage.raw(always(plain(b"", "308 Permanent Redirect", "Location: file:///etc/passwd")))
