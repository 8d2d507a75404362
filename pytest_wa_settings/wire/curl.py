"""Writes a request as a shell line that sends it again, with variables where the secrets stood."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from shlex import quote

from .holes import Body, Hole, distinct

FOLDER = "bodies"
"""Where in a report's folder the bodies stand that are too long for a line."""
LONGEST = 3500
"""A line of more characters is none that anybody pastes."""
PROXY_USER = "$WA_PROXY_USER"
"""Stands among curl's options for the proxy's credentials."""

_INLINE = 1000
_ONE_ARGUMENT = 100_000
_NO_EXPECT = 1000
_PLACEHOLDER = re.compile("<|\u2026")
_PLAIN_PATH = re.compile(r"[A-Za-z0-9_./,+@ -]+")
_SKIPPED = frozenset({"host", "content-length", "connection", "transfer-encoding"})
_OWN = frozenset({("accept", "*/*"), ("accept-encoding", "identity"), ("user-agent", "pytest-wa-settings")})
_LOGIN = "/v1/users/login"


@dataclass(frozen=True)
class Request:
    """What a line sends: all of it redacted.

    Attributes:
        body: None where it may not be shown.
        options: curl's own, as they are.
        token: the variable that holds the bearer token.
    """

    method: str
    url: str
    headers: tuple[tuple[str, str], ...] = ()
    body: Body | None = ()
    options: tuple[str, ...] = ()
    token: str = "WA_TOKEN"


@dataclass(frozen=True)
class Repeat:
    """A shell line that sends a request again, or a comment that says why none can.

    Attributes:
        line: what a shell takes: printable ASCII, one line, at most 3,500 characters.
        name: the file in the folder `bodies` of the report that the line reads; None where it needs none.
        content: what is in that file.
    """

    line: str
    name: str | None = None
    content: bytes = field(default=b"", repr=False)


def repeat(request: Request, folder: Path | None = None) -> Repeat:
    """The line for a request; `folder` is the report's, without which a long body cannot be had.

    A variable holds its text as it stands in the body (in JSON without the quotes around it, and with a
    backslash before one inside).
    """
    found = _with_body(request, _words(request), folder)
    if found is None:
        why = "its body is too long for a line; run with --wa-report DIR, which keeps it in a file there"
        return Repeat(comment(request.method, request.url, why))
    if len(found.line) > LONGEST or not (found.line.isascii() and found.line.isprintable()):
        return Repeat(comment(request.method, request.url, "what was sent is too long for a line"))
    return found


def comment(method: str, url: str, why: str) -> str:
    """What stands for a line where none can send the request again."""
    shown = "".join(char for char in f"{method} {url}" if char.isascii() and char.isprintable())
    return f"# {re.sub('[<>]', '', shown)[:300]}: {why}"


def _words(request: Request) -> list[str]:
    """The command but for its body."""
    options = (f'"{one}"' if one == PROXY_USER else quote(one) for one in request.options)
    words = ["curl", "-sS", "-i", "--http1.1", *options]
    if not any(option in ("-x", "--proxy") for option in request.options):
        words += ["--noproxy", quote("*")]
    if request.method == "HEAD":
        words.append("-I")
    elif request.method != "GET" or request.body != ():
        words += ["-X", quote(request.method)]
    words += _address(request.url)
    for name, value in request.headers:
        words += _header(name, value, request)
    names = {name.lower() for name, _ in request.headers}
    if (request.body != () or "content-length" in names) and "content-type" not in names:
        words += ["-H", quote("Content-Type:")]  # else curl names one of its own
    return words


def _address(url: str) -> list[str]:
    where, mark, query = url.partition("?")
    if _PLACEHOLDER.search(where):
        return ['"$WA_URL"']
    globbing = ["-g"] if re.search(r"[\[\]{}]", url) else []
    if not mark:
        return [*globbing, quote(url)]
    parts = []
    for part in query.split("&"):
        name = part.partition("=")[0]
        if _PLACEHOLDER.search(name):
            return [*globbing, quote(where) + '"?$WA_QUERY"']
        parts.append(f"{name}=${variable('WA_QUERY_', name)}")
    return [*globbing, quote(where) + '"?' + "&".join(parts) + '"']


def _header(name: str, value: str, request: Request) -> list[str]:
    lower = name.lower()
    if lower in _SKIPPED or (lower, value) in _OWN:
        return []
    if lower == "authorization" and value.startswith("Bearer "):
        return ["-H", f'"{name}: Bearer ${request.token}"']
    if lower == "authorization" and value.startswith("Basic "):
        if request.url.partition("?")[0].endswith(_LOGIN):
            return ["-u", '"$WA_USER:$WA_USER_PASSWORD"']
        return ["-H", f'"{name}: Basic $WA_CREDENTIALS"']
    if _PLACEHOLDER.search(name):
        return ["-H", '"$WA_HEADER"']
    if _PLACEHOLDER.search(value):
        return ["-H", f'"{name}: ${variable("WA_HEADER_", name)}"']
    return ["-H", quote(f"{name}: {value}") if value else quote(f"{name};")]


def proxy_options(address: str, *, credentials: bool) -> tuple[str, ...]:
    """The options by which curl goes through a proxy; its credentials are a shell variable."""
    return ("-x", address, *(("--proxy-user", PROXY_USER) if credentials else ()))


def variable(prefix: str, name: str) -> str:
    """A shell variable named after a header or a member of a query."""
    return prefix + re.sub(r"[^A-Z0-9]", "_", name.upper())


def _with_body(request: Request, words: list[str], folder: Path | None) -> Repeat | None:
    body = request.body
    if body is None:
        return Repeat(" ".join([*words, "--data-binary", '@"$WA_BODY_FILE"']))
    if not body:
        announced = any(name.lower() == "content-length" for name, _ in request.headers)
        return Repeat(" ".join([*words, "--data-binary", "''"] if announced else words))
    if sum(len(piece) for piece in body if isinstance(piece, bytes)) > _NO_EXPECT:
        words = [*words, "-H", "Expect:"]
    variables = distinct(body)
    short = _short(body, words, variables)
    if short is not None and (len(short) <= _INLINE or (folder is None and len(short) <= LONGEST)):
        return Repeat(short)
    return None if folder is None else _from_file(body, words, variables, folder)


def _short(body: Body, words: list[str], variables: Sequence[str]) -> str | None:
    """The line with the body in it; None for one that is too long for that."""
    if sum(len(piece) for piece in body if isinstance(piece, bytes)) > LONGEST:
        return None
    only = body[0] if len(body) == 1 else None
    if isinstance(only, bytes) and re.fullmatch(rb"[^@\x00-\x1f<\x7f-\xff][^\x00-\x1f<\x7f-\xff]*", only):
        return " ".join([*words, "--data-binary", quote(only.decode("ascii"))])
    given = "".join(f' "${name}"' for name in variables)
    return f"printf {quote(printf_format(body))}{given} | " + " ".join([*words, "--data-binary", "@-"])


def _from_file(body: Body, words: list[str], variables: Sequence[str], folder: Path) -> Repeat:
    """The line that reads the body, or where it has holes the format of printf, from a file."""
    content = b"".join(piece for piece in body if isinstance(piece, bytes))
    ending = "bin"
    if variables:
        content, ending = printf_format(body).encode("ascii"), "format"
    name = f"{hashlib.sha256(content).hexdigest()[:16]}.{ending}"
    where = _path(folder.absolute(), name)
    if not variables:
        return Repeat(" ".join([*words, "--data-binary", f"@{where}"]), name, content)
    given = "".join(f' "${one}"' for one in variables)
    return Repeat(
        f'printf "$(cat {where})"{given} | ' + " ".join([*words, "--data-binary", "@-"]), name, content
    )


def _path(folder: Path, name: str) -> str:
    """The file as a word of the shell; a report that was moved is named by the variable WA_REPORT."""
    if _PLAIN_PATH.fullmatch(str(folder)):
        return f'"${{WA_REPORT:-{folder}}}/{FOLDER}/{name}"'
    return quote(f"{folder}/{FOLDER}/{name}")


def printf_format(body: Body) -> str:
    """The body as a format of the shell's printf, in printable ASCII, with `%s` for each hole."""
    parts = ["%s" if isinstance(piece, Hole) else _escaped(piece) for piece in body]
    text = "".join(parts)
    # a first - would begin an option
    return f"\\055{text[1:]}" if text.startswith("-") else text


def _escaped(raw: bytes) -> str:
    return "".join(_ESCAPES[byte] for byte in raw)


def _escape(byte: int) -> str:
    char = chr(byte)
    if char in "\n\r\t\\":
        return {"\n": "\\n", "\r": "\\r", "\t": "\\t", "\\": "\\\\"}[char]
    if char == "%":
        return "%%"
    return char if 0x20 <= byte < 0x7F and char != "<" else f"\\{byte:03o}"


_ESCAPES = [_escape(byte) for byte in range(256)]
