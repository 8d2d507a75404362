"""Answers that are no judgement yet: the only place that knows their statuses and error codes.

The client says *not now* (429, 503 and codes 1015 to 1018, api 2.2 and 2.3): nothing was done, ask again. A
gateway answers in the client's place (`Answer.from_gateway`): what only reads may be asked again, but of a
change it stays unknown whether it was made. Everything else is the client's answer.
"""

from __future__ import annotations

from typing import Literal

from pytest_wa_settings.wire import Answer

NotNow = Literal["429", "503", "1016", "1017", "1018", "gateway"]

_BY_CODE: dict[int, NotNow] = {1015: "429", 1016: "1016", 1017: "1017", 1018: "1018"}
_BY_STATUS: dict[int, NotNow] = {429: "429", 503: "503"}


def not_now(answer: Answer) -> NotNow | None:
    """Why the answer is no judgement yet (clauses, *Refused means*); None for one that is."""
    if answer.status is None or answer.ok:
        return None
    if answer.from_gateway:
        return "gateway"
    by_status = _BY_STATUS.get(answer.status)
    if by_status == "429":
        return by_status
    return next((_BY_CODE[code] for code in answer.codes if code in _BY_CODE), by_status)


def is_rate_limit(answer: Answer) -> bool:
    """Whether the client limits how often it is asked (429, or code 1015)."""
    return not_now(answer) == "429"


__all__ = ["NotNow", "is_rate_limit", "not_now"]
