"""Clients under test and their lives: what a run names is opened, leased to tests, and put back."""

from pytest_wa_settings.api.codes import not_now as passing

from .address import open_testbed
from .base import Need, Settings, Setup, Testbed
from .client import Client
from .consumer import Consumer, ConsumerError, Contact, Notice
from .errors import GivenUp, NotBack, StartFailed, TestbedError, Unavailable, UsageError
from .webhook import Call, Receiver, ReceiverError

__all__ = [
    "Call",
    "Client",
    "Consumer",
    "ConsumerError",
    "Contact",
    "GivenUp",
    "Need",
    "NotBack",
    "Notice",
    "Receiver",
    "ReceiverError",
    "Settings",
    "Setup",
    "StartFailed",
    "Testbed",
    "TestbedError",
    "Unavailable",
    "UsageError",
    "open_testbed",
    "passing",
]
