"""Writes an exchange as a curl line that repeats it, with shell variables where the secrets stood."""

from __future__ import annotations

import json
import re
from shlex import quote

_VARIABLES = {
    "password": "WA_PASSWORD",
    "new_password": "WA_NEW_PASSWORD",
    "data": "WA_DATA",
    "pin": "WA_PIN",
    "token": "WA_TOKEN",
}
_COUNTED = re.compile(r"<string of \d+ characters>")
_SKIPPED = frozenset({"host", "content-length", "connection", "accept-encoding", "user-agent", "accept"})


def curl_line(
    method: str, url: str, headers: tuple[tuple[str, str], ...], body: str, options: tuple[str, ...]
) -> str:
    """The command line; `headers` and `body` are redacted, `options` are curl's own.

    Variables in a body hold JSON text without its quotes (so a quote inside stands as `\\"`).
    """
    words = ["curl", "-sS", *(quote(option) for option in options)]
    if method != "GET":
        words += ["-X", quote(method)]
    words.append(quote(url))
    for name, value in headers:
        words += _header(name, value)
    if not body:
        return " ".join(words)
    template, variables = _template(body)
    if template is None:
        return " ".join([*words, "--data-binary", "@body.bin  # the bytes that were sent"])
    if not variables:
        return " ".join([*words, "--data-binary", quote(template.replace("%%", "%").replace("\\\\", "\\"))])
    given = " ".join(f'"${name}"' for name in variables)
    return f"printf {quote(template)} {given} | " + " ".join([*words, "--data-binary", "@-"])


def _header(name: str, value: str) -> list[str]:
    lower = name.lower()
    if lower in _SKIPPED:
        return []
    if lower == "authorization":
        if value.startswith("Basic"):
            return ["-u", '"$WA_USER:$WA_USER_PASSWORD"']
        if value.startswith("Bearer"):
            return ["-H", '"Authorization: Bearer $WA_TOKEN"']
    if _COUNTED.fullmatch(value):
        variable = "WA_HEADER_" + re.sub(r"[^A-Z0-9]", "_", name.upper())
        return ["-H", f'"{name}: ${variable}"']
    return ["-H", quote(f"{name}: {value}")]


def _template(body: str) -> tuple[str | None, list[str]]:
    """A printf format for the body, and the shell variables to fill it with; None if it is no JSON."""
    try:
        value = json.loads(body)
    except ValueError:
        return None, []
    variables: list[str] = []

    def render(item: object, name: str) -> str:
        if isinstance(item, dict):
            members = ",".join(_escaped(json.dumps(k)) + ":" + render(v, k) for k, v in item.items())
            return "{" + members + "}"
        if isinstance(item, list):
            return "[" + ",".join(render(entry, name) for entry in item) + "]"
        if isinstance(item, str) and _COUNTED.fullmatch(item):
            variables.append(_VARIABLES.get(name, "WA_TEXT"))
            return '"%s"'
        if item == "<number>":
            variables.append(_VARIABLES.get(name, "WA_NUMBER"))
            return "%s"
        return _escaped(json.dumps(item, ensure_ascii=False))

    return render(value, ""), variables


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("%", "%%")
