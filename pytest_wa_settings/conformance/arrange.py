"""The steps on the way to a judgement; one that fails leaves its clause *not tested*."""

from __future__ import annotations

import random
import string
import struct
import time
import zlib
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass

from pytest_wa_settings.api.resources import BY_NAME, PHOTO
from pytest_wa_settings.conformance.fields import (
    BY_LEAF,
    FIELDS,
    PHOTO_DIGEST,
    Field,
    Leaf,
    another_value,
    longest_value,
    says_nothing,
)
from pytest_wa_settings.conformance.judgements import came, same_value
from pytest_wa_settings.conformance.snapshots import Snapshot, look, read, shown
from pytest_wa_settings.testbed import Client, Need, Setup, Testbed, Unavailable
from pytest_wa_settings.verdicts import Case, NotTested
from pytest_wa_settings.wire import Answer

_SHOWN_WITHIN = 2.0
"""Seconds that a client may take to show a change that it took, before the latency is added."""
_PICTURE_BYTES, _COLOURS = 7_000, 5
"""Length that a photo stays under, and colours tried for it: a few compress a fifth worse than most."""


@dataclass(frozen=True)
class Backup:
    """One backup: its password, its `data`, what was readable when it was taken, and the client's version."""

    password: str
    data: str
    at: Snapshot
    answer: Answer
    version: str | None = None

    def __repr__(self) -> str:
        return f"Backup({len(self.data)} characters)"


def rng_of(case: Case) -> random.Random:
    """The test's own random numbers, the same at every run with one seed."""
    return random.Random(case.test_seed)


def a_password(rng: random.Random, length: int = 24) -> str:
    """A password that any client takes: 24 characters of every class."""
    letters = string.ascii_letters + string.digits
    return "aA1!" + "".join(rng.choice(letters) for _ in range(length - 4))


def take_backup(client: Client, password: str, *, at: Snapshot | None = None) -> Backup:
    """A backup of the client as it is now.

    Raises:
        NotTested: the client gave none.
    """
    before = at or read(client)
    answer = client.backup(password)
    if not answer.ok or not answer.data:
        raise NotTested(f"there is no backup to go on with ({came(answer)}): see BACKUP-1")
    return Backup(password, answer.data, before, answer, client.version)


def multiconnect_setups(testbed: Testbed) -> list[Setup]:
    """The multiconnect setups of two shards and more, fewest shards first (one shard is left open)."""
    return sorted(setup for setup in testbed.shard_setups if setup[1] and setup[0] > 1)


def on_multiconnect(testbed: Testbed) -> Need:
    """A registered client of the smallest multiconnect setup, for oneself.

    Raises:
        NotTested: there is none.
    """
    setups = multiconnect_setups(testbed)
    if not setups:
        raise NotTested("the testbed offers no multiconnect set-up")
    return Need(shards=setups[0][0], multiconnect=True, exclusive=True)


def another_setup(client: Client) -> Setup | None:
    """A set-up that refuses this client's backups, and is refused by it (SHARD-2 to SHARD-4); None if there
    is none. Multiconnect of one shard is left open, so it is never one of the two.
    """
    others = multiconnect_setups(client.testbed)
    if (1, False) in client.testbed.shard_setups:
        others.append((1, False))
    if client.setup == (1, True):
        return None
    return next((setup for setup in others if setup != client.setup), None)


def changeable(snapshot: Snapshot, *resources: str) -> list[Field]:
    """The documented fields that this client shows and that the suite may change."""
    return [
        one for one in FIELDS if one.planted and one.leaf in snapshot.values and one.resource in resources
    ]


def plant(client: Client, wanted: Mapping[Leaf, object], *, exact: bool = False) -> set[Leaf]:
    """Changes fields; returns those that the client took. A refused whole is tried field by field.

    Of a text that is refused the plain part is tried, too, unless it is to be `exact`.

    Raises:
        Unavailable: the client must not be changed.
    """
    if not client.may_change:
        raise Unavailable(
            "the suite may not change this client's settings",
            "add --wa-allow-restore, or may_change = true to its entry in clients.toml",
        )
    taken: set[Leaf] = set()
    for resource in ("application", "about", "business"):
        leaves = {leaf: value for leaf, value in wanted.items() if leaf.startswith(resource + ":")}
        if not leaves:
            continue
        if _change(client, resource, leaves):
            taken |= leaves.keys()
            continue
        for leaf, value in leaves.items():
            alone = len(leaves) > 1 and _change(client, resource, {leaf: value})
            if alone or (not exact and _change_plain(client, resource, leaf, value)):
                taken.add(leaf)
    return taken


def _change_plain(client: Client, resource: str, leaf: Leaf, value: object) -> bool:
    """Whether the client took the plain part of a text that it refused."""
    plain = value.encode("ascii", "ignore").decode() if isinstance(value, str) else value
    return plain != value and _change(client, resource, {leaf: plain})


def body_of(leaves: Mapping[Leaf, object]) -> dict[str, object]:
    """The body of a change to these fields of one resource."""
    body: dict[str, object] = {}
    for leaf, value in leaves.items():
        place = body
        *parents, last = BY_LEAF[leaf].path
        for name in parents:
            place = place.setdefault(name, {})  # type: ignore[assignment]
        place[last] = value
    return body


def _change(client: Client, resource: str, leaves: Mapping[Leaf, object]) -> bool:
    named, body = BY_NAME[resource], body_of(leaves)

    def is_there() -> bool | None:
        now = shown(client, resource).found
        shows = [leaf for leaf in leaves if leaf in now]
        return all(_reads_as(leaf, leaves[leaf], now[leaf]) for leaf in shows) if shows else None

    return client.change(lambda: client.ask(named.method, named.path, json=body), is_there).made


def give_photo(client: Client, content: bytes) -> bool:
    """Whether the client took a photo (PNG)."""

    def is_there() -> bool | None:
        answer = client.ask("GET", PHOTO.path)
        if answer.status == 404:
            return False  # there is none yet
        return answer.content == content if answer.ok else None

    return client.change(lambda: client.calls.set_photo(content, "image/png"), is_there).made


def plant_other_values(
    client: Client, rng: random.Random, *resources: str, now: Snapshot | None = None
) -> Snapshot:
    """Gives every field that can be changed another value; returns a reading after it.

    `now` is the last reading, a whole one, where nothing was changed since.
    """
    after = change_values(client, rng, *resources, now=now)
    if now is None:
        return read(client)
    return look(client, after, "photo") if "photo" in resources else after


def change_values(
    client: Client,
    rng: random.Random,
    *resources: str,
    now: Snapshot | None = None,
    other_than: Snapshot | None = None,
) -> Snapshot:
    """As plant_other_values, where a whole reading is not needed; `now` shows these resources at least.

    The values are other ones than those of `other_than`, where it is given, than those of `now` where not.
    """
    now = now or shown(client, *resources)
    avoided = {**now.values, **(other_than.values if other_than else {})}
    wanted = {one.leaf: another_value(one, avoided[one.leaf], rng) for one in changeable(now, *resources)}
    taken = plant(client, wanted)
    if "application" in resources and not changeable(now, "application"):
        _have_put_back(client)
    # what is not set yet shows no member to change; what a client refuses once is not offered again
    offered = {
        one.leaf: another_value(one, None, rng)
        for one in FIELDS
        if one.resource in resources
        and one.leaf not in now.values.keys() | client.refused_leaves
        and _may_be_set(client, one)
    }
    taken_too = plant(client, offered)
    client.refused_leaves |= offered.keys() - taken_too
    if (
        "photo" in resources
        and (client.managed or client.touched)
        and PHOTO_DIGEST not in client.refused_leaves
        and not give_photo(client, picture(rng))
    ):
        client.refused_leaves.add(PHOTO_DIGEST)
    planted = {leaf: {**wanted, **offered}[leaf] for leaf in (*taken, *taken_too)}
    return until_shown(client, planted, now)


def _have_put_back(client: Client) -> None:
    """Lets settings be changed of a client that shows only what was set, and of which none was."""
    if not client.managed and client.state == "registered":
        with suppress(Unavailable):
            client.have_put_back()


def until_shown(client: Client, planted: Mapping[Leaf, object], before: Snapshot) -> Snapshot:
    """The reading in which fields that the client took read otherwise than before: it may take a moment.

    A field that goes on reading as before is neither waited for a second time nor judged, unless it is seen
    to change after all.
    """
    resources = sorted({leaf.split(":")[0] for leaf in planted})
    unshown = client.habits.unshown
    deadline = time.monotonic() + _SHOWN_WITHIN + 20 * client.testbed.latency
    while True:
        after = look(client, before, *resources)
        late = {leaf for leaf, value in planted.items() if _is_late(leaf, value, before, after)}
        unshown -= {leaf for leaf, value in planted.items() if _has_come(leaf, value, before, after)}
        if late <= unshown:
            return after
        if time.monotonic() > deadline:
            unshown |= late
            return after
        time.sleep(0.05)


def _read_of(leaf: Leaf, *readings: Snapshot) -> list[object]:
    return [reading.found.get(leaf) for reading in readings]


def _has_come(leaf: Leaf, planted: object, before: Snapshot, after: Snapshot) -> bool:
    """Whether a field reads as planted now, and did not before."""
    old, new = _read_of(leaf, before, after)
    return _reads_as(leaf, planted, new) and not same_value(leaf, old, new)


def _reads_as(leaf: Leaf, planted: object, new: object) -> bool:
    """Whether a field reads as planted; a number may read as a text of digits (api 5.1)."""
    as_text = isinstance(new, str) and isinstance(planted, int) and not isinstance(planted, bool)
    return same_value(leaf, str(planted) if as_text else planted, new)


def _is_late(leaf: Leaf, planted: object, before: Snapshot, after: Snapshot) -> bool:
    """Whether a field reads as before, where another value was planted; none and an empty text are one."""
    old, new = _read_of(leaf, before, after)
    if _reads_as(leaf, planted, new) or (says_nothing(leaf, planted) and says_nothing(leaf, new)):
        return False
    return same_value(leaf, old, new)


def _may_be_set(client: Client, one: Field) -> bool:
    """Whether a field that is unset may be set: on a declared client only once a restore was made on it.

    Then its own state is restored at the end; setting fields again could not make one unset.
    """
    return one.planted and (client.managed or client.touched)


def retired(client: Client, older: Snapshot, after: Snapshot) -> frozenset[Leaf]:
    """Settings of an older version that this client of another one does not have: not even once they are set.

    Which settings there are depends on the version (api 5.1). Where the client must not be changed, all that
    it does not show may be such.
    """
    gone = {leaf: value for leaf, value in older.of("application").items() if leaf not in after.values}
    if gone and client.may_change:
        taken = plant(client, {leaf: value for leaf, value in gone.items() if BY_LEAF[leaf].planted})
        now = until_shown(client, {leaf: gone[leaf] for leaf in taken}, after)
        return frozenset(gone.keys() - now.values.keys())
    return frozenset(gone)


def plant_longest_values(client: Client, rng: random.Random) -> None:
    """Gives every text of the profile the longest value; nothing where the client must not be changed."""
    if client.may_change:
        profile = [one for one in FIELDS if one.resource != "application" and _may_be_set(client, one)]
        plant(client, {one.leaf: longest_value(one, rng) for one in profile})


def picture(rng: random.Random, text: str = "") -> bytes:
    """A PNG of 640 by 640 pixels in one random colour; `text` is a comment in it."""
    for _ in range(_COLOURS):
        row = b"\0" + bytes(rng.randrange(256) for _ in range(3)) * 640
        pixels = zlib.compress(row * 640, 1)
        if len(pixels) < _PICTURE_BYTES:
            break

    def chunk(kind: bytes, content: bytes) -> bytes:
        check = zlib.crc32(kind + content)
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", check)

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", 640, 640, 8, 2, 0, 0, 0))
    head += chunk(b"tEXt", b"Comment\0" + text.encode("latin-1")) if text else b""
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


ALL = ("application", "about", "business", "photo")
"""Every resource that the suite plants in."""


def backup_between_changes(client: Client, rng: random.Random, password: str) -> Backup:
    """A backup of one planted state, with another state on the client now, so that a restore would show.

    Where the client must not be changed, it is a backup of the state that it has.
    """
    return changed_since(client, rng, password)[0]


def changed_since(client: Client, rng: random.Random, password: str) -> tuple[Backup, Snapshot]:
    """As backup_between_changes, with the reading after the changes that followed the backup."""
    if not client.may_change:
        backup = take_backup(client, password)
        return backup, backup.at
    at = plant_other_values(client, rng, *ALL)
    backup = take_backup(client, password, at=at)
    return backup, change_values(client, rng, *ALL, now=at)


def wait_until(condition: Callable[[], bool], limit: float, pause: float = 0.02) -> bool:
    """Whether the condition came true within `limit` seconds."""
    deadline = time.monotonic() + limit
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(pause)
    return True
