"""The settings and profile fields that the documentation lists, and values that each may take.

Source: onprem-facts 5.1 and 5.2. Only these are judged: an undocumented member of an answer may be
anything (a time, a counter), so nothing is asked of it.
"""

from __future__ import annotations

import random
import string
from dataclasses import dataclass, field

from hypothesis import strategies as st

Leaf = str
"""`resource:path.to.member`, as `application:webhooks.url`."""


@dataclass(frozen=True)
class Field:
    """One documented field.

    Attributes:
        leaf: where it stands.
        kind: "bool", "int", "choice", "subset", "text", "url", "email" or "urls".
        low, high: bounds of an int, of the characters of a text or an address, or of how many there are.
        planted: whether the suite changes it (a field whose change cannot be undone is only read).
    """

    leaf: Leaf
    kind: str
    low: int = 0
    high: int = 0
    choices: tuple[object, ...] = field(default=())
    planted: bool = True

    @property
    def resource(self) -> str:
        """The resource that the field belongs to."""
        return self.leaf.split(":")[0]

    @property
    def path(self) -> tuple[str, ...]:
        """Member names from the resource down."""
        return tuple(self.leaf.split(":")[1].split("."))


_MEDIA = ("audio", "document", "voice", "video", "image", "sticker")
_VERTICALS = ("Automotive", "Education", "Entertainment", "Restaurant", "Other")

FIELDS: tuple[Field, ...] = (
    Field("application:callback_persist", "bool"),
    Field("application:callback_backoff_delay_ms", "int", 1000, 8000),
    Field("application:max_callback_backoff_delay_ms", "int", 60_000, 900_000),
    Field("application:media.auto_download", "subset", choices=_MEDIA),
    # no limit is documented: what software that reads addresses commonly takes
    Field("application:webhooks.url", "url", high=2048),
    Field("application:webhooks.max_concurrent_requests", "choice", choices=(6, 12, 18, 24)),
    Field("application:webhooks.message.sent", "bool"),
    Field("application:webhooks.message.delivered", "bool"),
    Field("application:webhooks.message.read", "bool"),
    Field("application:pass_through", "bool", planted=False),
    Field("application:sent_status", "bool"),
    Field("application:heartbeat_interval", "int", 1, 60),
    # longer than any heartbeat_interval: nodes might count as gone else
    Field("application:unhealthy_interval", "int", 61, 600),
    Field("application:db_garbagecollector_enable", "bool"),
    Field("application:garbagecollector_enable.media", "bool"),
    Field("application:garbagecollector_enable.messages", "bool"),
    Field("application:notify_user_change_number", "bool"),
    Field("application:show_security_notifications", "bool"),
    Field("application:axolotl_context_striping_disabled", "bool"),
    Field("application:on_call_pager", "text", 0, 15, choices=tuple(string.digits)),
    Field("application:verbose_logging", "bool"),
    Field("application:log_level", "choice", choices=("info", "debug"), planted=False),
    Field("about:text", "text", 0, 139),
    Field("business:address", "text", 0, 256),
    Field("business:description", "text", 0, 256),
    Field("business:email", "email", 0, 128),
    Field("business:vertical", "choice", choices=_VERTICALS),
    Field("business:websites", "urls", 0, 2),
)
BY_LEAF = {one.leaf: one for one in FIELDS}
PROFILE = ("about", "business", "photo")
PHOTO_DIGEST = "photo:digest"
"""The leaf of what stands for the photo: a digest of its bytes."""


def canary(rng: random.Random, length: int = 16) -> str:
    """Random letters and digits: 12 or more, so that chance never finds them (clause BACKUP-4)."""
    return "".join(rng.choice(string.ascii_letters + string.digits) for _ in range(length))


def needle(one: Field, rng: random.Random) -> tuple[str, object] | None:
    """A random text of 12 characters or more, and a value of the field that holds it; None if none can."""
    text = canary(rng)
    if one.kind == "url":
        return text, f"https://wa-settings.invalid/{text}"
    if one.kind == "urls":
        return text, [f"https://wa-settings.invalid/{text}"]
    if one.kind == "email":
        return text.lower(), f"{text.lower()}@wa-settings.invalid"
    if one.kind != "text":
        return None
    if one.choices:
        text = "".join(str(rng.choice(one.choices)) for _ in range(one.high - 1))
    return text, text


def another_value(one: Field, current: object, rng: random.Random) -> object:
    """A valid value for the field that differs from the current one."""
    if one.kind == "bool":
        return not current
    if one.kind == "int":
        value = rng.randint(one.low, one.high)
        value += value == current
        return str(value) if isinstance(current, str) else value
    if one.kind == "choice":
        chosen = rng.choice([choice for choice in one.choices if str(choice) != str(current)])
        return str(chosen) if isinstance(current, str) else chosen
    if one.kind == "subset":
        subsets = [list(one.choices[:2]), list(one.choices[1:4]), list(one.choices[3:])]
        return rng.choice([subset for subset in subsets if not same_set(subset, current)])
    if one.kind == "url":
        return _address(rng)
    if one.kind == "urls":
        return [_address(rng) for _ in range(one.high)]
    if one.kind == "email":
        return f"{canary(rng).lower()}@wa-settings.invalid"
    if one.choices:
        return "".join(str(rng.choice(one.choices)) for _ in range(one.high - 1))
    return f"wa {canary(rng)} \u00e9\u4e2d\U0001f600"


def _address(rng: random.Random) -> str:
    return f"https://wa-settings.invalid/{canary(rng)}?a={canary(rng, 4)}&b=c%20d"


def longest_value(one: Field, rng: random.Random) -> object:
    """A value as long as the field takes, so that a backup is long, too."""
    if one.kind == "text" and not one.choices:
        return canary(rng, one.high)
    if one.kind == "urls":
        return [f"https://wa-settings.invalid/{canary(rng, 200)}" for _ in range(one.high)]
    return another_value(one, None, rng)


def says_nothing(leaf: Leaf, value: object) -> bool:
    """Whether a value says that there is none, as leaving the member out does."""
    return value is None or value == "" or (leaf == "business:websites" and value == [])


def same_set(one: object, other: object) -> bool:
    """Whether both are lists with the same members in any order."""
    if not (isinstance(one, list) and isinstance(other, list)):
        return False
    return sorted(map(repr, one)) == sorted(map(repr, other))


_TEXT = st.characters(min_codepoint=0x20, max_codepoint=0x1F6FF, exclude_categories=("Cs", "Cc", "Cn", "Co"))


def values(one: Field) -> st.SearchStrategy[object]:
    """Every valid value of the field that JSON can carry (what a client refuses is left out later)."""
    if one.kind == "bool":
        return st.booleans()
    if one.kind == "int":
        return st.integers(one.low, one.high) | st.sampled_from([one.low, one.high])
    if one.kind == "choice":
        return st.sampled_from(one.choices)
    if one.kind == "subset":
        return st.lists(st.sampled_from(one.choices), unique=True).map(list)
    path = st.text(string.ascii_letters + string.digits + "-._~", min_size=0, max_size=60)
    if one.kind == "url":
        ends = st.sampled_from(["", "/", "?", "?a=b&c=", "#", "#f"])
        return st.builds("https://wa-settings.invalid/{}{}".format, path, ends)
    if one.kind == "urls":
        return st.lists(
            path.map("https://wa-settings.invalid/{}".format), min_size=1, max_size=2, unique=True
        )
    if one.kind == "email":
        return st.text(string.ascii_lowercase, min_size=1, max_size=30).map("{}@wa-settings.invalid".format)
    if one.choices:
        return st.text("".join(map(str, one.choices)), min_size=one.low, max_size=one.high)
    return st.text(_TEXT, min_size=one.low, max_size=one.high)
