"""Several consumer views as one: each business number is asked of the view that knows it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from pytest_wa_settings.testbed.consumer import Consumer, Contact
from pytest_wa_settings.wire import Answer


class Views(Consumer):
    """The views of a testbed whose clients declare different ones; `view_of` tells which knows a number."""

    def __init__(self, views: Sequence[Consumer], view_of: Callable[[str], Consumer | None]) -> None:
        self._views = tuple(views)
        self._view_of = view_of
        self._known: dict[str, Consumer] = {}
        self.url = self._views[0].url

    def _view(self, business: str | None) -> Consumer:
        if business and business not in self._known:
            view = self._view_of(business)
            if view is not None:
                self._known[business] = view
        return self._known.get(business or "", self._views[0])

    def report_to(self, note: Callable[[Answer, int], None]) -> None:
        """Has `note` called with each answer of all views."""
        for view in self._views:
            view.report_to(note)

    def contact(self, wa_id: str, business: str | None) -> Contact:
        """What the contact sees of the business, in the view that knows it."""
        return self._view(business).contact(wa_id, business)

    def set_notifications(self, wa_id: str, on: bool) -> None:
        """Switches the contact's security notifications in every view."""
        for view in self._views:
            view.set_notifications(wa_id, on)

    def write(self, wa_id: str, text: str, business: str | None) -> bool:
        """Has the contact write, in the view that knows the business."""
        return self._view(business).write(wa_id, text, business)

    def test_contacts(self, count: int) -> list[str]:
        """The first view's contacts; all views are to know them."""
        return self._views[0].test_contacts(count)

    def check(self) -> None:
        """Reads one contact in every view."""
        for view in self._views:
            view.check()

    def close(self) -> None:
        """Ends the connections to all views."""
        for view in self._views:
            view.close()
