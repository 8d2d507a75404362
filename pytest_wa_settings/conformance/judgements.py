"""Pure judgements: answers and snapshots in, a finding or its evidence out; findings are worded here.

Evidence says on what a pass rests, or what was missing for it: nothing that was read, no field that could
have read otherwise, no answer.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import replace

from pytest_wa_settings.api.codes import not_now
from pytest_wa_settings.api.messages import violations_in
from pytest_wa_settings.conformance.budget import Budget
from pytest_wa_settings.conformance.fields import BY_LEAF, PHOTO_DIGEST, Leaf, same_set, says_nothing
from pytest_wa_settings.conformance.snapshots import Snapshot
from pytest_wa_settings.conformance.views import MOST_VISITED, readable_in
from pytest_wa_settings.schemas import Violation
from pytest_wa_settings.verdicts import Evidence, Finding, FindingError, Judgement
from pytest_wa_settings.wire import MISSING, Answer

_MOST_DIFFERENCES = 6
_PLAIN_NAME = re.compile(r"[\w.-]{1,40}", re.ASCII)

_RUN = re.compile(r"[A-Za-z0-9]{12,}")
"""Long enough that chance does not write it (clause BACKUP-4)."""
_MANY = 5
PASSWORD = "the password"
"""What the backup's own password is called among what must not be readable."""


NOTHING_READABLE = "no setting or profile field of this client can be read, so no change of it would show"
NOTHING_DIFFERED = (
    "no field was seen to differ before the restore, so it cannot be seen to come back: the client must show "
    "a setting that it lets the suite change"
)


def raise_if_found(judgement: Judgement) -> Evidence:
    """Raises a finding; else returns the evidence, which is not entered."""
    if isinstance(judgement, Finding):
        raise FindingError(judgement)
    return judgement


def came(answer: Answer) -> str:
    """An answer in a few words, without anything secret."""
    if not answer.answered:
        return f"no answer ({answer.failure or f'a proxy answers {answer.status}'})"
    if answer.failure:
        return f"HTTP {answer.status}, and then {answer.failure}"
    body = answer.body
    if body is MISSING:
        shape = (
            "an empty body"
            if not answer.content.strip()
            else f"{len(answer.content)} bytes that are not JSON"
        )
    elif isinstance(body, dict):
        names = [f"`{name}`" if _PLAIN_NAME.fullmatch(name) else "an odd name" for name in sorted(body)[:6]]
        shape = f"a JSON object of {', '.join(names)}" if names else "an empty JSON object"
    else:
        shape = describe(body)
    codes = f", error code {', '.join(map(str, answer.codes))}" if answer.codes else ""
    return f"HTTP {answer.status} with {shape}{codes}"


def describe(value: object) -> str:
    """A value told apart from others without showing text that may be secret."""
    if value is None or isinstance(value, (bool, int, float)):
        return (
            {None: "null", True: "true", False: "false"}.get(value, repr(value))
            if (value is None or isinstance(value, bool))
            else repr(value)
        )
    if isinstance(value, str):
        digest = hashlib.sha256(value.encode("utf-8", "surrogatepass")).hexdigest()[:8]
        return f"a string of {len(value)} characters (sha256 {digest}…)"
    if isinstance(value, list):
        return f"a list of {len(value)}" if value else "an empty list"
    return "an object"


def accepted_backup(answer: Answer, sent: str) -> Judgement:
    """BACKUP-1: 200 and `settings.data`, a non-empty string."""
    broken = violations_in(answer, "backup-response") if answer.ok else []
    if answer.status == 200 and not broken:
        return Evidence("BACKUP-1", "a backup")
    expected = 'HTTP 200 with {"settings": {"data": <non-empty string>}}'
    return _as_no_message("BACKUP-1", sent, expected, answer, broken)


def _as_no_message(
    clause: str, sent: str, expected: str, answer: Answer, broken: Iterable[Violation]
) -> Finding:
    broken = tuple(broken)
    observed = "; ".join([came(answer), *(map(str, broken) if answer.body is not MISSING else ())])
    return Finding(clause, sent, expected, observed, (answer,), broken=broken)


def refused(clause: str, sent: str, answer: Answer, *, example: str | None = None) -> Judgement:
    """A refusal is any answer of the client's outside 2xx, whatever its body says."""
    if not answer.ok:
        missing = None if answer.answered else _no_answer(sent, answer)
        return Evidence(clause, "refused", missing=missing)
    return Finding(clause, sent, "a refusal (any status outside 2xx)", came(answer), (answer,), example)


def _no_answer(sent: str, answer: Answer) -> str:
    return f"no answer of the client came to {sent} ({came(answer)})"


def refused_while_down(sent: str, answer: Answer) -> Judgement:
    """BACKUP-3: a client that is not running gives no backup; where it runs no more, no answer is one."""
    if answer.ok:
        return refused("BACKUP-3", sent, answer)
    return Evidence("BACKUP-3", "refused while not running", control="it was seen not to run")


def died(clause: str, sent: str, answer: Answer) -> Finding:
    """A call that must be refused must leave a client that still serves."""
    observed = f"{came(answer)}; the client no longer serves"
    return Finding(clause, sent, "a refusal, and a client that still serves", observed, (answer,))


def taken_up_late(clause: str, sent: str, fields: int, after: Snapshot) -> Finding:
    """A refused call that the client carries out at its next start changed it all the same."""
    observed = f"the state of the refused backup ({fields} changed fields read as in it)"
    return Finding(clause, sent, "the client is unchanged", observed, after.answers)


def lost(clause: str, refusals: int, answers: tuple[Answer, ...]) -> Finding:
    """A backup taken before refused calls must still restore after them (a newer one does)."""
    sent = f"{refusals} calls that were refused, then a backup taken before them"
    observed = f"it is refused ({came(answers[0])}), while a backup taken afterwards restores"
    return Finding(clause, sent, "the earlier backup still restores", observed, answers)


def unauthorized(clause: str, sent: str, answer: Answer) -> Judgement:
    """401, and no backup data in the answer: ACCESS-1 and ACCESS-3."""
    if not answer.answered:
        return refused(clause, sent, answer)
    if answer.status != 401:
        return Finding(clause, sent, "HTTP 401", came(answer), (answer,))
    if answer.data:
        return Finding(
            clause, sent, "HTTP 401 that holds no backup data", "HTTP 401 with `settings.data`", (answer,)
        )
    return Evidence(clause, "refused with 401")


def same_value(leaf: Leaf, one: object, other: object) -> bool:
    """Whether two reads of one field agree: type and value; 3000 and 3000.0 are one number."""
    if leaf == "application:media.auto_download" and same_set(one, other):
        return True
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, (int, float)) and isinstance(other, (int, float)):
        return one == other
    return type(one) is type(other) and one == other


def differences(wanted: Mapping[Leaf, object], found: Mapping[Leaf, object]) -> list[str]:
    """Each field of `wanted` that `found` lacks or has otherwise, in words.

    An empty text and no text at all are the same: the documentation tells no difference.
    """
    told = []
    for leaf, value in wanted.items():
        if says_nothing(leaf, value) and says_nothing(leaf, found.get(leaf)):
            continue
        if leaf not in found:
            told.append(f"{leaf} is gone (was {describe(value)})")
        elif not same_value(leaf, value, found[leaf]):
            told.append(f"{leaf} is {describe(found[leaf])} (was {describe(value)})")
    return told


def agree(leaves: Iterable[Leaf], one: Mapping[Leaf, object], other: Mapping[Leaf, object]) -> bool:
    """Whether two reads agree on all these fields."""
    return all(leaf in one and leaf in other and same_value(leaf, one[leaf], other[leaf]) for leaf in leaves)


def changed_leaves(wanted: Mapping[Leaf, object], earlier: Mapping[Leaf, object]) -> list[Leaf]:
    """The application settings that both states show, and show differently: by them states are told apart."""
    return [
        leaf
        for leaf in wanted
        if leaf.startswith("application:") and leaf in earlier and not agree([leaf], wanted, earlier)
    ]


def differing_leaves(wanted: Mapping[Leaf, object], before: Mapping[Leaf, object]) -> list[Leaf]:
    """The fields of `wanted` that were read before, and read otherwise: by them it shows what came back."""
    return [leaf for leaf in wanted if leaf in before and not agree([leaf], wanted, before)]


def _is_telling(leaf: Leaf) -> bool:
    return leaf in BY_LEAF and BY_LEAF[leaf].kind in ("int", "text", "url", "urls", "email")


def stale(
    at: Mapping[Leaf, object],
    before: Mapping[Leaf, object],
    after: Mapping[Leaf, object],
    earlier: Mapping[Leaf, object],
) -> list[Leaf]:
    """The fields that came back as they were at an earlier moment, where all that differ did; else none.

    Told by values that are no accident (no choices), and that differ from those just before the restore.
    """
    told = [
        leaf
        for leaf in at
        if leaf in after
        and leaf in earlier
        and leaf in before
        and _is_telling(leaf)
        and not agree([leaf], at, after)
        and not agree([leaf], before, earlier)
    ]
    return told if all(agree([leaf], earlier, after) for leaf in told) else []


def _listed(told: list[str]) -> str:
    more = len(told) - _MOST_DIFFERENCES
    return "; ".join(told[:_MOST_DIFFERENCES]) + (f"; and {more} more" if more > 0 else "")


def unchanged(
    clause: str, sent: str, before: Snapshot, after: Snapshot, answers: tuple[Answer, ...] = ()
) -> Judgement:
    """Every field that could be read, the health and the registration are as before, and it still serves."""
    told = [] if after.serving or not before.serving else ["it no longer serves"]
    if (
        before.registered is not None
        and after.registered is not None
        and before.registered != after.registered
    ):
        told.append("it is now " + ("registered" if after.registered else "unregistered"))
    if before.number and after.number and before.number != after.number:
        told.append("its phone number is another")
    told += differences(before.values, after.values)
    gone = after.unread.keys() - before.unread.keys()
    told += [f"{name} can no longer be read ({after.unread[name]})" for name in sorted(gone)]
    if not told:
        # a restore would register a client that is not registered, so that this would show it
        fields = (*_changeable(before), *(["registration"] if before.registered is False else []))
        missing = None if fields else NOTHING_READABLE
        return Evidence(clause, "unchanged", len(after.answers), fields, missing=missing)
    expected = "the client is unchanged: settings, profile, health and registration as before"
    reading = after.reading_of(_differing(before.values, after.values)) or after.answers[-1:]
    return Finding(clause, sent, expected, _listed(told), (*answers, *reading))


def _changeable(reading: Snapshot) -> list[Leaf]:
    """The fields of a reading that a client lets be changed, as far as it is known."""
    return [leaf for leaf in reading.values if leaf not in BY_LEAF or BY_LEAF[leaf].planted]


def _differing(wanted: Mapping[Leaf, object], found: Mapping[Leaf, object]) -> Leaf | None:
    return next((leaf for leaf in wanted if not agree([leaf], wanted, found)), None)


def told_by(after: Snapshot, wanted: Mapping[Leaf, object]) -> dict[Leaf, object]:
    """Of `wanted` what a reading tells of; another machine may show more of its settings at once."""
    return {leaf: value for leaf, value in wanted.items() if leaf not in after.untold}


def restored(
    clause: str,
    wanted: Mapping[Leaf, object],
    after: Snapshot,
    *,
    before: Mapping[Leaf, object],
    where: str,
    answers: tuple[Answer, ...] = (),
    example: str | None = None,
) -> Judgement:
    """What read back at the backup reads back the same after its restore: RESTORE-2 and RESTORE-4.

    `before` is what was read just before the restore, of the machine that it was made on: without a field
    that read otherwise then, nothing shows that it came back.
    """
    wanted = told_by(after, wanted)
    told = differences(wanted, after.values)
    if not told:
        fields = differing_leaves(wanted, before)
        missing = None if fields else NOTHING_DIFFERED
        return Evidence(clause, "restored", len(after.answers), tuple(fields), missing=missing)
    expected = f"every field reads back {where} as it did at the backup"
    sent = "settings, backup, other settings, restore, start again, read"
    reading = after.reading_of(_differing(wanted, after.values))
    others = (one for one in after.answers if one not in reading)
    return Finding(clause, sent, expected, _listed(told), (*answers, *others, *reading), example)


def is_state(after: Snapshot, state: Snapshot) -> bool:
    """Whether a reading shows just this state, by all fields that both show."""
    common = [leaf for leaf in state.of("application", "about", "business") if leaf in after.values]
    return bool(common) and agree(common, state.values, after.values)


def current(
    at: Mapping[Leaf, object], earlier: Mapping[Leaf, object], after: Mapping[Leaf, object]
) -> Evidence:
    """BACKUP-9, where no earlier state came back: the fields that show the state of the backup's own call."""
    fields = tuple(leaf for leaf in changed_leaves(at, earlier) if agree([leaf], at, after))
    missing = None if fields else "no application setting that was changed before the backup came back"
    return Evidence("BACKUP-9", "the state at the call", fields=fields, missing=missing)


def nothing_sent_again(sent: str, copies: int | None, answer: Answer) -> Judgement | None:
    """BACKUP-7: a contact has a message from before the backup once; None where nobody saw it arrive."""
    if not copies:
        return None
    if copies == 1:
        control = "the message had arrived before the backup"
        return Evidence("BACKUP-7", "no message sent again", control=control)
    observed = f"the contact has the message sent before the backup {copies} times"
    return Finding("BACKUP-7", sent, "it has it once", observed, (answer,))


def whole(clause: str, sent: str, after: Snapshot, *states: tuple[str, Snapshot]) -> Judgement:
    """One of the states, whole: the fields in which they differ all read as in one of them."""
    leaves = [
        leaf
        for leaf in states[0][1].of("application", "about", "business")
        if all(leaf in other.values for _, other in states[1:])
        and not all(agree([leaf], states[0][1].values, other.values) for _, other in states[1:])
    ]
    if not leaves:
        missing = "no field that could be changed tells the states apart"
        return Evidence(clause, "one state, whole", missing=missing)
    if any(agree(leaves, state.values, after.values) for _, state in states):
        return Evidence(clause, "one state, whole", len(after.answers), tuple(leaves))
    counts = ", ".join(
        f"{sum(agree([leaf], state.values, after.values) for leaf in leaves)} of {len(leaves)} fields"
        f" as in {name}"
        for name, state in states
    )
    expected = " or ".join(name for name, _ in states) + ", whole"
    return Finding(clause, sent, expected, counts, after.answers)


def restore_answer(answer: Answer, *, strict: bool, made: bool | None) -> tuple[Judgement, str | None]:
    """RESTORE-1: 200 with `null` or `{}`; a body of nothing but `meta` passes with a remark.

    `made`: whether the state afterwards shows that the restore was carried out; only then it was successful.
    """
    sent = "a restore that was carried out"
    expected = "HTTP 200 with null or {}"
    evidence = Evidence(
        "RESTORE-1",
        "the answer to a restore that was carried out",
        control="the restored state was read afterwards",
        missing=None if made else "nothing that can be read shows that the restore was carried out",
    )
    broken = violations_in(answer, "restore-response") if answer.ok else []
    says_nothing = answer.body is None or answer.body == {}
    if answer.status != 200 or broken or (strict and not says_nothing):
        return _as_no_message("RESTORE-1", sent, expected, answer, broken), None
    remark = "the restore's body is {\"meta\": …}, as the reference's sample shows it, not null or {}"
    return evidence, None if says_nothing else remark


def made_again(clause: str, at: Snapshot, before: Snapshot, after: Snapshot) -> Evidence:
    """What shows that a restore was carried out: settings that differed just before it, as in the backup."""
    differing = changed_leaves(at.values, before.values)
    fields = tuple(leaf for leaf in differing if agree([leaf], at.values, after.values))
    missing = None if fields else NOTHING_DIFFERED
    if differing and not fields:
        missing = "no setting of the backup is there after the restore: see RESTORE-2"
    return Evidence(clause, "the restored state", len(after.answers), fields, missing=missing)


def sealed(
    data: str, needles: dict[str, str], answers: tuple[Answer, ...], *, held: Iterable[str] | None = None
) -> Judgement:
    """BACKUP-4: nothing planted can be read out of `data`; the password alone is no evidence of that.

    `held` are those of the needles that the client was seen to hold; absent, all of them.
    """
    budget = Budget(MOST_VISITED)
    how = readable_in(data, needles, budget)
    if how is None:
        known = needles if held is None else set(held)
        held = tuple(name for name in needles if name != PASSWORD and name in known)
        nothing = (
            "no text and no number that the backup must hold is known: nothing of the client can be read"
        )
        missing = None if held else nothing
        return Evidence("BACKUP-4", "sealed", fields=held, missing=missing, remark=budget.remark)
    sent = "a backup of a client whose settings hold " + ", ".join(sorted(needles))
    return Finding(
        "BACKUP-4", sent, "nothing of it can be read out of `data` without the password", how, answers
    )


def planted_texts(at: Snapshot, earlier: Snapshot) -> dict[str, str]:
    """What chance never writes of the texts that the suite gave a client, by a name for each.

    Letters and digits, which read alike in every encoding, and not the same few again and again.
    """
    return {
        f"the field {leaf}": max(runs, key=len)
        for leaf, value in at.values.items()
        if isinstance(value, str)
        and leaf != PHOTO_DIGEST
        and earlier.values.get(leaf) != value
        and (runs := [run for run in _RUN.findall(value) if len(set(run)) >= _MANY])
    }


def enveloped(answer: Answer, sent: str) -> Judgement:
    """ERROR-1: a refusal carries `errors[]` with an integer `code` and a `title`."""
    broken = violations_in(answer, "error")
    if not broken:
        return Evidence("ERROR-1", "the error envelope")
    expected = "the error envelope: `errors[]` with integer `code` and `title`"
    return _as_no_message("ERROR-1", sent, expected, answer, broken)


def callers_mistake(answer: Answer, sent: str) -> Judgement:
    """ERROR-2: a refusal for the caller's mistake is a 4xx."""
    if not answer.answered or answer.ok or 400 <= (answer.status or 0) < 500:
        return Evidence("ERROR-2", "a refusal with 4xx")
    return Finding("ERROR-2", sent, "a 4xx: the mistake is the caller's", came(answer), (answer,))


def fitting_code(answer: Answer, sent: str, wanted: tuple[int, ...]) -> Judgement | None:
    """ERROR-3: the code fits the cause; not judged where the answer names no code at all."""
    if answer.ok or not answer.codes:
        return None
    if set(answer.codes) & set(wanted):
        return Evidence("ERROR-3", "a fitting code")
    expected = "error code " + " or ".join(map(str, wanted))
    return Finding("ERROR-3", sent, expected, came(answer), (answer,))


def robust(answer: Answer, sent: str, *, limit: float, example: str | None = None) -> Judgement:
    """ROBUST-1: no 5xx but 503, and an answer in time; a closed connection is no break, and no evidence."""
    evidence = Evidence("ROBUST-1", "an answer below 500 in time")
    if answer.answered and ((answer.status or 0) < 500 or not_now(answer) is not None):
        return evidence
    if not answer.answered and answer.failure_kind != "timeout":
        return replace(evidence, missing=_no_answer(sent, answer))
    expected = f"an answer below 500 within {limit:.0f} s"
    return Finding("ROBUST-1", sent, expected, came(answer), (answer,), example)


def not_echoed(answer: Answer, sent: str, needles: dict[str, str]) -> Judgement | None:
    """ROBUST-4: an error shows neither the password nor a setting; not judged where there is no error."""
    if answer.ok or not answer.answered:
        return None
    text = answer.content.decode("utf-8", "replace")
    budget = Budget(MOST_VISITED)
    how = readable_in(text, needles, budget)
    if how is None:
        remark = budget.remark and budget.remark.replace("`data`", "an error")
        return Evidence("ROBUST-4", "nothing echoed in an error", remark=remark)
    observed = how.replace("`data`", "the error")
    return Finding("ROBUST-4", sent, "an error that shows neither password nor settings", observed, (answer,))
