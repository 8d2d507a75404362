"""An address says what it means, or is refused with what would be accepted."""

from __future__ import annotations

import pytest

from pytest_wa_settings.testbed import Settings, UsageError, open_testbed
from pytest_wa_settings.testbed.address import Declared, Managed, parse_address
from pytest_wa_settings.testbed.managed import ReferenceOptions


def test_a_managed_address_has_a_kind_and_decoded_values() -> None:
    address = parse_address("mock:shards=2,version=2%2E29.1")
    assert isinstance(address, Managed)
    assert (address.kind, dict(address.keys)) == ("mock", {"shards": "2", "version": "2.29.1"})


def test_a_kind_alone_is_an_address() -> None:
    assert parse_address("mock:") == Managed("mock", "mock:", {})


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("https://wa.example:9090", "https://wa.example:9090"),
        ("https://wa.example/gateway/a/", "https://wa.example/gateway/a"),
        ("HTTP://127.0.0.1:1", "http://127.0.0.1:1"),
        ("https://[::1]:9090", "https://[::1]:9090"),
    ],
)
def test_a_declared_address_keeps_its_path_prefix(text: str, url: str) -> None:
    assert parse_address(text) == Declared(url)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("", "kind"),
        ("wa.example", "kind"),
        ("podman:", "podman"),
        ("onprem:mutant=x", "onprem: has no key 'mutant'"),
        ("onprem:sparse=x", "onprem: has no key 'sparse'"),
        ("mock:colour=red", "'colour'"),
        ("mock:shards", "key=value"),
        ("mock:shards=", "key=value"),
        ("mock:shards=2,shards=4", "twice"),
        ("https://admin:secret@wa.example", "user or a password"),
        ("https://wa.example/?token=1", "query"),
        ("https://wa.example/#a", "query or a fragment"),
        ("https://", "no host"),
        ("https:/wa.example", "no host"),
        ("https://wa.example:99999", "no URL"),
        ("mock: shards=2", "kind"),
    ],
)
def test_a_bad_address_is_refused_with_what_is_accepted(text: str, named: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_address(text)
    assert named in caught.value.problem
    assert caught.value.remedy


def test_a_refused_address_does_not_show_its_password() -> None:
    with pytest.raises(UsageError) as caught:
        parse_address("https://admin:hunter2hunter2@wa.example")
    assert "hunter2" not in str(caught.value)


def test_an_unknown_key_is_answered_with_the_known_ones() -> None:
    with pytest.raises(UsageError, match="success-body"):
        parse_address("mock:colour=red")


@pytest.mark.parametrize(
    "text",
    [
        "mock:shards=3",
        "mock:version=new",
        "mock:version=2",
        "mock:success-body=x",
        "mock:restart-policy=never",
    ],
)
def test_a_value_that_the_reference_does_not_know_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        open_testbed(Settings(url=text))


def test_several_shards_mean_multiconnect() -> None:
    address = parse_address("mock:shards=4")
    assert isinstance(address, Managed)
    assert ReferenceOptions.of(address).setup == (4, True)


@pytest.mark.parametrize("kind", ["mock", "docker"])
def test_a_client_may_be_a_mutant_a_variant_and_sparse_at_once(kind: str) -> None:
    address = parse_address(f"{kind}:mutant=a,variant=b,sparse=c")
    assert isinstance(address, Managed)
    assert ReferenceOptions.of(address).deviations == {"mutant": "a", "variant": "b", "sparse": "c"}


def test_an_address_or_a_file_must_be_given() -> None:
    with pytest.raises(UsageError):
        open_testbed(Settings())
