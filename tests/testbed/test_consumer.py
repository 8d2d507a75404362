"""The consumer view is read leniently, and what is wrong with it is never put on the client."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from pytest_wa_settings.testbed.consumer import Consumer, ConsumerError, Notice

VIEW = {
    "wa_id": "15550100001",
    "security_code": "12345 67890",
    "security_notifications": True,
    "notices": [{"type": "security_code_changed", "business": "15550109999", "at": "2026-01-01T00:00:00Z"}],
    "messages": [{"id": "m1", "from": "a", "to": "b", "text": {"body": "hello"}}],
}


class View:
    """A view on http.server that answers by script: `replies` maps a method to (status, JSON value)."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, str, Any]] = []
        self.replies: dict[str, Any] = {"GET": (200, VIEW), "PUT": (204, None), "POST": (201, {})}
        self.unready = 0
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                outer.seen.append((self.command, self.path, json.loads(body) if body else None))
                status, value = outer.replies[self.command]
                if outer.unready:
                    outer.unready, status = outer.unready - 1, 503
                content = b"" if value is None else json.dumps(value).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            do_GET = do_PUT = do_POST = answer

            def log_message(self, *_: Any) -> None:
                """Keeps quiet."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def view() -> Iterator[View]:
    made = View()
    yield made
    made.close()


@pytest.fixture
def watch(view: View) -> Iterator[Callable[..., Consumer]]:
    made: list[Consumer] = []

    def make(url: str | None = None, **options: Any) -> Consumer:
        made.append(Consumer(url or view.url, **options))
        return made[-1]

    yield make
    for consumer in made:
        consumer.close()


def test_a_contact_is_read_for_the_business_asked_about(view, watch):
    contact = watch().contact("+1 555 010 0001", "+15550109999")
    assert view.seen == [("GET", "/contacts/15550100001?business=15550109999", None)]
    assert contact.security_code == "12345 67890"
    assert contact.security_notifications is True
    assert contact.notices == (Notice("security_code_changed", "15550109999", "2026-01-01T00:00:00Z"),)
    assert contact.messages[0]["text"]["body"] == "hello"


def test_without_a_business_the_view_chooses(view, watch):
    watch().contact("15550100001", None)
    assert view.seen[0][1] == "/contacts/15550100001"


def test_an_unknown_business_has_no_code(view, watch):
    view.replies["GET"] = (200, {"security_code": None, "security_notifications": False})
    contact = watch().contact("15550100001", "15550109999")
    assert (contact.security_code, contact.notices, contact.messages) == (None, (), ())


def test_notifications_are_switched(view, watch):
    watch().set_notifications("15550100001", False)
    assert view.seen == [("PUT", "/contacts/15550100001", {"security_notifications": False})]


def test_a_contact_writes_to_the_business(view, watch):
    assert watch().write("15550100001", "hi", "15550109999") is True
    assert view.seen == [("POST", "/contacts/15550100001/messages?business=15550109999", {"text": "hi"})]


@pytest.mark.parametrize("status", [404, 405, 501])
def test_a_view_without_writing_says_so_once_and_for_all(view, watch, status):
    view.replies["POST"] = (status, None)
    consumer = watch()
    assert not consumer.write("15550100001", "hi", None)
    assert not consumer.write("15550100001", "hi", None)
    assert len(view.seen) == 1


def test_a_message_that_failed_is_an_error_and_is_not_sent_again(view, watch):
    view.replies["POST"] = (500, None)
    with pytest.raises(ConsumerError, match="it answered 500"):
        watch().write("15550100001", "hi", None)
    assert len(view.seen) == 1


def test_a_view_that_is_not_ready_is_asked_again(view, watch):
    view.unready = 2
    assert watch().contact("15550100001", None).security_code == "12345 67890"
    assert len(view.seen) == 3


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ([], "no JSON object"),
        ({}, "security_code must be"),
        ({"security_code": []}, "security_code must be"),
        ({"security_code": "1", "notices": {}}, "notices must be an array"),
        ({"security_code": "1", "messages": ["x"]}, "messages must be an array"),
        ({"security_code": "1", "notices": [{"type": "x"}]}, "a type and a business"),
    ],
)
def test_a_misshapen_contact_is_the_views_fault(view, watch, body, why):
    view.replies["GET"] = (200, body)
    with pytest.raises(ConsumerError, match=why) as caught:
        watch().contact("15550100001", None)
    assert "consumer-contact" in caught.value.remedy


def test_a_view_that_is_not_there_says_what_to_do(watch):
    with pytest.raises(ConsumerError) as caught:
        watch("http://127.0.0.1:1", contacts=["15550100001"]).check()
    assert "nothing listens at 127.0.0.1 port 1" in caught.value.problem
    assert "take `consumer` out of the configuration" in caught.value.remedy


def test_an_address_that_is_none_is_named(watch):
    with pytest.raises(ConsumerError, match="address cannot be used"):
        watch("ftp://view")


def test_declared_contacts_are_used_and_no_others(watch):
    consumer = watch(contacts=["+15550100001", "15550100002"])
    assert consumer.test_contacts(1) == ["15550100001"]
    assert consumer.test_contacts(4) == ["15550100001", "15550100002"]


def test_invented_contacts_are_fictional_distinct_and_follow_the_seed(watch):
    contacts = watch(seed=7).test_contacts(20)
    assert len(set(contacts)) == 20
    assert all(len(number) == 11 and number[4:9] == "55501" for number in contacts)
    assert watch(seed=7).test_contacts(3) == contacts[:3]
    assert watch(seed=8).test_contacts(3) != contacts[:3]


def test_a_check_asks_for_one_contact_only(view, watch):
    watch().check()
    assert [method for method, _, _ in view.seen] == ["GET"]
