"""What of an exchange may be kept: a safe list of members and headers, and a count instead of all else."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from functools import lru_cache

from .parsing import MISSING, depth_within, parse_json
from .scrubber import HIDDEN
from .spellings import SHORTEST

BODY_LENGTH = 4000
PROSE_LENGTH = 300
_ITEMS = 100
_NODES = 1000
_HEADERS = 60

_WORD = re.compile(r"[A-Za-z][A-Za-z_ .-]{0,39}")
_NAME = re.compile(r"[\w.@-]{1,64}")
_VERSION = re.compile(r"v?\d[0-9A-Za-z.+-]{0,31}")
_TIME = re.compile(r"[0-9][0-9 :+.TZ-]{7,39}")
_MEMBER = re.compile(r"[\w.:@ -]{1,64}")

# Under which ancestor ("" is the top) a string member is no secret, and the shape it must have to be kept.
_SAFE: dict[str, dict[str, re.Pattern[str] | None]] = {
    "": {"type": _WORD, "recipient_type": _WORD, "blocking": _WORD, "username": _NAME},
    "health": {"gateway_status": _WORD, "role": _WORD},
    "errors": {"code": _WORD, "title": None, "details": None, "href": None},
    "meta": {"version": _VERSION, "api_status": _WORD},
    "users": {"username": _NAME, "ROLES": _WORD, "expires_after": _TIME},
    "contacts": {"status": _WORD},
    "statuses": {"status": _WORD, "type": _WORD},
    "support": {"version": _VERSION},
}
_ELSEWHERE = "-"
OF_CLIENT = frozenset({"data", "token"})
CHOSEN = frozenset({"password", "new_password", "pin", "code_received"})
SECRET_MEMBERS = OF_CLIENT | CHOSEN
"""Members that hold a secret: what the client chose, and what its caller did."""

_SAFE_HEADERS = frozenset(
    [
        "accept",
        "accept-encoding",
        "age",
        "allow",
        "alt-svc",
        "cache-control",
        "connection",
        "content-encoding",
        "content-language",
        "content-length",
        "content-type",
        "date",
        "expect",
        "expires",
        "host",
        "keep-alive",
        "last-modified",
        "pragma",
        "retry-after",
        "server",
        "strict-transport-security",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "user-agent",
        "vary",
        "via",
        "www-authenticate",
        "x-powered-by",
    ]
)

_CONSTANT = frozenset(
    {
        ("accept", "*/*"),
        ("accept-encoding", "identity"),
        ("connection", "keep-alive"),
        ("connection", "close"),
        ("content-type", "application/json"),
        ("user-agent", "pytest-wa-settings"),
    }
)

_LONG_WORD = re.compile(r"[^\s\"'<>(){}\[\],;]{20,}")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff\u2028\u2029\u202a-\u202e\u2066-\u2069]")
_TITLE = re.compile(r"<title[^>]*>([^<]{0,400})", re.IGNORECASE)


def counted(text: str) -> str:
    """What stands for a string that is not kept."""
    return f"<string of {len(text)} characters>"


@lru_cache(1000)
def _tidied(text: str, limit: int) -> str:
    """`text` on one line, without long coded words, cut."""
    text = _LONG_WORD.sub(_hide_code, _CONTROL.sub(" ", text))
    return text if len(text) <= limit else text[:limit] + "…"


class Redactor:
    """Turns the parts of an exchange into texts that hold no secret.

    `scrub` hides secrets in values, `scrub_name` in the names of members and headers: those are the API's own
    words, and what the client chose to call its token must not rewrite them.
    """

    def __init__(self, scrub: Callable[[str], str], scrub_name: Callable[[str], str]) -> None:
        self._scrub, self._scrub_name = scrub, scrub_name

    def prose(self, text: str, own: Iterable[str] = (), limit: int = PROSE_LENGTH) -> str:
        """A human sentence from the client: cut, on one line, without secrets or long coded words.

        `own` are secrets of this exchange alone, which may be too short to be looked for elsewhere.
        """
        text = self._scrub(text[: 4 * limit])
        for secret in own:
            if len(secret) >= SHORTEST:
                text = text.replace(secret, HIDDEN)
        return _tidied(text, limit)

    def json(self, value: object, own: Iterable[str] = ()) -> str:
        """A JSON value as text: names, numbers and what the safe list allows; counts instead of strings."""
        if not depth_within(value, 100):
            return "<JSON nested deeper than 100>"
        kept = _Walk(self, tuple(own)).keep(value, "", "", secret=False)
        text = json.dumps(kept, ensure_ascii=False)
        return text if len(text) <= BODY_LENGTH else text[:BODY_LENGTH] + "…"

    def body(self, content: bytes, content_type: str, parsed: object, own: Iterable[str] = ()) -> str:
        """A body as text; `parsed` is its JSON value or MISSING."""
        if not content:
            return ""
        if parsed is not MISSING:
            return self.json(parsed, own)
        size = f"<{len(content)} bytes>"
        start = content[:20_000]
        if "html" in content_type.lower() or start.lstrip()[:1] == b"<":
            found = _TITLE.search(start.decode("utf-8", "replace"))
            title = self.prose(" ".join(found[1].split()), own, 80) if found else ""
            return f"{size} HTML: {title}" if title else f"{size} HTML"
        return size

    def content(self, content: bytes, own: Iterable[str] = ()) -> str:
        """A request's bytes as text."""
        return self.body(content, "", parse_json(content), own)

    def headers(self, headers: Iterable[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
        """Headers with the values of all but well-known harmless ones counted instead of kept."""
        kept: list[tuple[str, str]] = []
        for name, value in headers:
            if len(kept) == _HEADERS:
                kept.append(("…", "more headers"))
                break
            kept.append((self.member(name), self._header(name.lower(), value)))
        return tuple(kept)

    def url(self, url: str) -> str:
        """An address with the values of its query left away."""
        where, mark, query = url.partition("?")
        names = (part.partition("=")[0] for part in query.split("&"))
        shown = self.prose(where, limit=500)
        return shown + mark + "&".join(f"{self.member(name)}=…" for name in names) if mark else shown

    def _header(self, name: str, value: str) -> str:
        if name in ("authorization", "proxy-authorization"):
            scheme = value.split(" ", 1)[0]
            what = {"Bearer": "<token>", "Basic": "<credentials>", "Apikey": "<key>"}.get(scheme)
            return f"{scheme} {what}" if what else counted(value)
        if name not in _SAFE_HEADERS:
            return counted(value) if value else ""
        # Most headers are these, and looking for secrets in each of them would take longer than the request.
        if (name, value) in _CONSTANT or (len(value) < 8 and value.isdigit()):
            return value
        return self.prose(value, limit=200)

    def shows(self, member: str, value: str) -> bool:
        """Whether the string of a member at the top of a request's body may be shown as it is."""
        shape = _SAFE[""].get(member)
        return shape is not None and shape.fullmatch(value) is not None and self.prose(value) == value

    def member(self, name: str) -> str:
        """The name of a member or header, without secrets; the API's own names stay."""
        if not _MEMBER.fullmatch(name):
            return f"<name of {len(name)} characters>"
        return _tidied(self._scrub_name(name), PROSE_LENGTH)


class _Walk:
    """One walk through one JSON value, with an end to how much of it is shown."""

    def __init__(self, redactor: Redactor, own: tuple[str, ...]) -> None:
        self._redactor = redactor
        self._own = own
        self._left = _NODES

    def keep(self, value: object, ancestor: str, name: str, *, secret: bool) -> object:
        self._left -= 1
        if isinstance(value, dict):
            return self._keep_object(value, ancestor, secret)
        if isinstance(value, list | tuple):
            kept = [
                self.keep(item, ancestor, name, secret=secret) for item in value[: self._room(len(value))]
            ]
            return [*kept, f"<{len(value) - len(kept)} more>"] if len(kept) < len(value) else kept
        if isinstance(value, str):
            return counted(value) if secret else self._keep_string(value, ancestor, name)
        if isinstance(value, bool) or value is None:
            return value
        if secret:
            return "<number>"
        if isinstance(value, float) and value - value != 0:
            return "<number beyond a double>"
        return value if len(repr(value)) <= 40 else "<number of more than 40 digits>"

    def _keep_object(self, value: dict[object, object], ancestor: str, secret: bool) -> object:
        kept: dict[str, object] = {}
        room = self._room(len(value))
        for member, item in list(value.items())[:room]:
            text = str(member)
            below = ancestor
            if not ancestor and isinstance(item, dict | list | tuple):
                below = text if text in _SAFE else _ELSEWHERE
            kept[self._redactor.member(text)] = self.keep(
                item, below, text, secret=secret or text in SECRET_MEMBERS
            )
        if room < len(value):
            kept["…"] = f"<{len(value) - room} more>"
        return kept

    def _room(self, wanted: int) -> int:
        return max(0, min(wanted, _ITEMS, self._left))

    def _keep_string(self, value: str, ancestor: str, name: str) -> str:
        allowed = _SAFE.get(ancestor, {})
        if name not in allowed:
            return counted(value)
        shape = allowed[name]
        if name == "href":
            value = value.split("?", 1)[0].split("#", 1)[0]
        if shape is None:
            return self._redactor.prose(value, self._own)
        if not shape.fullmatch(value):
            return counted(value)
        return self._redactor.prose(value, self._own)


def _hide_code(found: re.Match[str]) -> str:
    word = found[0]
    if word.startswith(("http://", "https://")) and len(word) <= 200:
        where, mark, _ = word.partition("?")
        return where + mark + ("…" if mark else "")
    coded = any(c.isdigit() for c in word) or (
        any(c.isupper() for c in word) and any(c.islower() for c in word)
    )
    return counted(word) if coded or len(word) > 60 else word


def secrets_in(value: object, members: frozenset[str] = SECRET_MEMBERS, limit: int = 100) -> list[str]:
    """The strings under such members as `password` and `data` in a JSON value, at most `limit` of them."""
    found: list[str] = []
    level: list[tuple[object, bool]] = [(value, False)]
    while level and len(found) < limit:
        below: list[tuple[object, bool]] = []
        for item, secret in level[:1000]:
            if isinstance(item, dict):
                below += [(entry, secret or name in members) for name, entry in item.items()]
            elif isinstance(item, list | tuple):
                below += [(entry, secret) for entry in item[:100]]
            elif secret and isinstance(item, str) and item:
                found.append(item)
        level = below
    return found
