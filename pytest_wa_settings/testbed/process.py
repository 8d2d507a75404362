"""The `mock:` testbed: reference clients in local processes, in any number, state, setup and version."""

from __future__ import annotations

from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

from pytest_wa_settings.testbed.address import Managed
from pytest_wa_settings.testbed.base import Settings
from pytest_wa_settings.testbed.client import Client
from pytest_wa_settings.testbed.consumer import Consumer
from pytest_wa_settings.testbed.managed import Claim, Key, ManagedTestbed
from pytest_wa_settings.testbed.pool import Pool, PoolError, PoolLife
from pytest_wa_settings.testbed.webhook import Receiver
from pytest_wa_settings.wire import Tls


class ProcessTestbed(ManagedTestbed):
    """Reference clients in one pool process."""

    kdf = "light"

    def __init__(self, address: Managed, settings: Settings) -> None:
        super().__init__(address, settings)
        self._pool: Pool | None = None
        self._tls = Tls()

    def open(self) -> None:
        """Starts the pool and its network, and orders the first client; raises TestbedError."""
        self._pool = Pool()
        try:
            self._pool.start()
            network = self._pool.submit("network", **self.options.deviations)
            authority = self._pool.submit("ca")
            self._network = str(self._pool.result(network)["url"])
            self._tls = Tls(ca=Path(str(self._pool.result(authority)["ca"])))
            self._order(self._default)
            self._consumer = Consumer(self._network, seed=self._seed, timeout=self.timeout)
            self._webhook = Receiver()
        except BaseException:
            self.close()
            raise

    def close(self) -> list[str]:
        """Ends every process, which takes its files with it; can be called again if it was interrupted."""
        with ExitStack() as ends:
            for surrounding in (self._pool, self._webhook, self._consumer):
                if surrounding is not None:
                    ends.callback(surrounding.close)
            for client in self._shelved():
                ends.callback(client.driver.close)
        self._shelves.clear()
        return []

    def _begin(self, key: Key) -> Claim:
        pool = self._pool
        assert pool is not None, "the testbed is not open"
        options = {**self._start_options(key), "admin_password": self._password}
        ordered = pool.submit("start", options=options)

        def claim() -> Client:
            started: dict[str, Any] = pool.result(ordered)
            life = PoolLife(pool, str(started["client"]), self.ready_timeout)
            # A variant may bring a policy of its own.
            policy = started["restart_policy"]
            return self._client(key, str(started["url"]), life=life, tls=self._tls, policy=policy)

        return claim

    def _discard(self, client: Client) -> None:
        client.driver.close()
        if isinstance(client.life, PoolLife):
            # A pool that is gone has discarded all of its clients.
            with suppress(PoolError):
                client.life.discard()
