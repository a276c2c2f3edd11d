"""Channel Access: a client for the EPICS servers at one address, through which ophyd's devices can be made to speak.

ophyd has one EPICS client for the whole process, which finds servers by environment variables and can never be
closed. Here each address of the configuration has a client of its own, made when the first device connects and closed
with the bench: what it asks for is looked for at that address alone, whatever the environment says, and when it is
closed its threads and sockets have ended. What ophyd makes inside :meth:`ChannelAccess.making` speaks through it.

Source: Channel Access protocol specification, as caproto speaks it; ``ophyd._caproto_shim`` for what ophyd asks of a
client ("control layer").
"""

import contextlib
import logging
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import wraps
from types import SimpleNamespace
from typing import Any, cast
from urllib.parse import urlsplit

import ophyd
from caproto import CaprotoError
from caproto.threading.client import Context, SharedBroadcaster, VirtualCircuitManager
from ophyd import _caproto_shim as shim

#: How long units and limits of a variable are waited for aside; when they are needed, they are asked for again.
METADATA_WITHIN_S = 2.0
#: How long a server that is found but cannot be connected to is left alone; it answers for a moment while it ends.
_REST_S = 0.1
#: Guards ophyd's own global while it is exchanged.
_EXCHANGING = threading.RLock()
_log = logging.getLogger(__name__)


def parse_address(address: str | None) -> tuple[str, int]:
    """Host and port of ``ca://127.0.0.1:5064``: where to look for process variables.

    The host is a server, a gateway, or the broadcast address of the servers' network.

    Raises:
        ValueError: it is not of that form.
    """
    parts = urlsplit(address or "")
    if parts.scheme != "ca" or not parts.hostname or not parts.port:
        raise ValueError(f"address {address!r} is not of the form ca://192.168.1.255:5064")
    return parts.hostname, parts.port


class ChannelAccess:
    """A client for the servers at one address.

    Args:
        address: as :func:`parse_address` reads it.
    """

    def __init__(self, address: str):
        self.callbacks = Callbacks(address)
        self._broadcaster = _Searcher(parse_address(address))
        self.context = _Client(self._broadcaster)
        self._layer = SimpleNamespace(
            name="caproto",
            get_pv=self._get_pv,
            release_pvs=shim.release_pvs,
            get_dispatcher=lambda: self.callbacks,
            thread_class=threading.Thread,
        )

    @contextlib.contextmanager
    def making(self) -> Iterator[None]:
        """The ophyd devices and signals that are made inside speak through this client, as long as they live."""
        with _EXCHANGING:
            before = ophyd.cl
            ophyd.cl = self._layer
            try:
                yield
            finally:
                ophyd.cl = before

    def _get_pv(
        self,
        pvname: str,
        form: str = "time",
        connect: bool = False,
        context: None = None,
        timeout: float = 5.0,
        **kwargs: Any,
    ) -> "_Variable":
        variable = _Variable(self, pvname, form=form, **kwargs)
        if connect:
            variable.wait_for_connection(timeout=timeout)
        return variable

    def look_again(self) -> None:
        """Look for what was not found yet at once; by itself that is done more and more rarely."""
        self._broadcaster.search_now()

    def close(self) -> None:
        """End the client: its circuits, sockets and threads."""
        self.callbacks.close()  # first: what they still wait for comes only while there are circuits
        self.context.close()
        self._broadcaster.close()


class _Client(Context):
    """caproto's client, which leaves threads of circuits that were lost, and takes its time to end the others."""

    def __init__(self, broadcaster: "_Searcher"):
        self._circuits: set[VirtualCircuitManager] = set()
        super().__init__(broadcaster)

    def get_circuit_manager(self, address: Any, priority: int) -> VirtualCircuitManager:
        circuit = super().get_circuit_manager(address, priority)
        self._circuits.add(circuit)
        for lost in [c for c in self._circuits if c.dead.is_set()]:
            lost.user_callback_executor.shutdown(wait=False)
            self._circuits.discard(lost)
        return circuit

    def _process_search_results_loop(self) -> None:
        """Connect to what was found; a server that is gone again by then, as one that restarts, is looked for anew.

        caproto's thread ends with that error, and nothing would ever be found again.
        """
        while not self._close_event.is_set():
            try:
                super()._process_search_results_loop()
            except (OSError, CaprotoError) as error:
                _log.warning("a server was found, but cannot be connected to: %s", error)
                self._close_event.wait(_REST_S)
                self.reconnect([key for key, variable in list(self.pvs.items()) if not variable.circuit_ready.is_set()])

    def close(self) -> None:
        """End all circuits and threads."""
        self._close_event.set()
        self.activate_subscriptions_now.set()
        self.disconnect()
        for circuit in self._circuits:
            circuit.user_callback_executor.shutdown()
        cast("Any", self.selector).selector.close()


class _Searcher(SharedBroadcaster):
    """Looks for process variables at one address.

    It neither listens to beacons nor asks a repeater for them: no port of this machine is shared with other clients.
    A server that comes back is found because what it serves is looked for again and again.
    """

    def __init__(self, where: tuple[str, int]):
        self._where = where
        super().__init__(registration_retry_time=None)  # type: ignore[arg-type]  None: never

    def _register(self) -> None:
        self._searching_enabled.set()

    def send(self, *commands: Any) -> None:
        """Send to that address."""
        sock = self.udp_sock
        if sock is not None:
            try:
                sock.sendto(self.broadcaster.send(*commands), self._where)
            except OSError as error:  # it is sent again; what is never found shows when a device connects
                _log.warning("cannot look for process variables at %s:%d: %s", *self._where, error)

    def close(self) -> None:
        """Wait for the last thread, too, which caproto leaves to end by itself."""
        self._check_for_unresponsive_servers_thread.join()
        cast("Any", self.selector).selector.close()


class Callbacks:
    """Threads in which ophyd is told what came, apart from those that receive it: a callback may ask and wait.

    Callbacks of one kind run one after the other. What ophyd calls a dispatcher.
    """

    KINDS = ("metadata", "monitor", "get_put")

    def __init__(self, name: str):
        self._in_order = {kind: ThreadPoolExecutor(1, f"{name} {kind}") for kind in self.KINDS}
        self._aside = ThreadPoolExecutor(4, f"{name} aside")
        self._closed = False

    def wrap(self, kind: str, callback: Callable[..., None] | None) -> Callable[..., None] | None:
        """The same callback, to be run in the thread of its kind."""
        if callback is None:
            return None

        @wraps(callback)
        def later(*args: Any, **kwargs: Any) -> None:
            self._submit(self._in_order[kind], callback, *args, **kwargs)

        later._wrapped_callback = True  # type: ignore[attr-defined]  by this ophyd knows it
        return later

    def get_thread_context(self, kind: str) -> SimpleNamespace:
        """Something whose ``run`` runs a function in the thread of a kind, at once when it is called from there."""

        def run(function: Callable[..., None], *args: Any, **kwargs: Any) -> None:
            if threading.current_thread() in self._in_order[kind]._threads:
                function(*args, **kwargs)
            else:
                self._submit(self._in_order[kind], function, *args, **kwargs)

        return SimpleNamespace(run=run)

    def schedule_utility_task(self, callback: Callable[..., None], *args: Any, **kwargs: Any) -> None:
        """Run something that may take a while."""
        self._submit(self._aside, callback, *args, **kwargs)

    def close(self) -> None:
        """Drop what waits and end the threads."""
        self._closed = True
        for threads in (*self._in_order.values(), self._aside):
            threads.shutdown(cancel_futures=True)

    def _submit(self, threads: ThreadPoolExecutor, function: Callable[..., None], *args: Any, **kwargs: Any) -> None:
        if self._closed:
            return

        def run() -> None:
            try:
                function(*args, **kwargs)
            except Exception:  # noqa: BLE001  whatever it is, the callbacks behind it are run
                if not self._closed:
                    _log.exception("a callback failed")

        with contextlib.suppress(RuntimeError):  # it was closed just now
            threads.submit(run)


class _Variable(shim.PV):
    """A process variable as ophyd wants it, of one client."""

    _reference_count = 0

    def __init__(self, access: ChannelAccess, pvname: str, **kwargs: Any):
        self._callbacks = access.callbacks
        for kind, name in (
            ("metadata", "connection_callback"),
            ("monitor", "callback"),
            ("metadata", "access_callback"),
        ):
            kwargs[name] = self._callbacks.wrap(kind, kwargs.get(name))
        super().__init__(pvname, context=access.context, **kwargs)

    def add_callback(  # pyright: ignore[reportIncompatibleMethodOverride]  ophyd names the others
        self, callback: Callable[..., None] | None = None, **kwargs: Any
    ) -> Any:
        return super().add_callback(callback=self._callbacks.wrap("monitor", callback), **kwargs)

    def put(  # pyright: ignore[reportIncompatibleMethodOverride]  likewise
        self, value: Any, *, callback: Callable[..., None] | None = None, **kwargs: Any
    ) -> None:
        super().put(value, callback=self._callbacks.wrap("get_put", callback), **kwargs)

    def get_all_metadata_callback(self, callback: Callable[..., None], *, timeout: float) -> None:
        def ask() -> None:
            callback(self.pvname, self.get_all_metadata_blocking(timeout=min(timeout, METADATA_WITHIN_S)))

        self._callbacks.schedule_utility_task(ask)
