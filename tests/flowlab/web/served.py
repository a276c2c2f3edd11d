"""The HTTP server in its process, before the daemon of the tests in its own."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx
import zmq

from flowlab.daemon.tokens import Role, Tokens
from flowlab.process import Child


class Served:
    """What the tests talk to.

    Attributes:
        url: of the server.
        daemon: the process behind the control socket.
        tokens: by role, and one that has expired.
    """

    def __init__(self, folder: Path, **settings: Any):
        self.folder = folder
        self.control = f"ipc://{folder}/control"
        self.kept = Tokens(folder / "tokens")
        self.tokens = {role.value: self.kept.new(role.value, role, None) for role in Role}
        self.tokens["expired"] = self.kept.new("late", Role.ADMIN, 1e-9)
        self.settings = {"control": self.control, "tokens": str(folder / "tokens"), "limit_s": 1.0, **settings}
        self.daemon = self.start_daemon()
        self.web = Child("web", "flowlab.web", self.settings, folder / "web.log")
        self.daemon.wait_for("ready", 30)
        self.url: str = self.web.wait_for("ready", 30)["http"]
        self.client = httpx.Client(base_url=self.url, timeout=30, limits=httpx.Limits(max_keepalive_connections=0))

    def start_daemon(self) -> Child:
        spec = {"address": self.control, "folder": str(self.folder)}
        self.daemon = Child("daemon", "tests.flowlab.web.daemon", spec, self.folder / "daemon.log")
        return self.daemon

    def ask(self, method: str, path: str, who: str | None = None, **options: Any) -> httpx.Response:
        """A request with the token of somebody."""
        headers = options.pop("headers", {})
        if who is not None:
            headers = {**headers, "Authorization": f"Bearer {self.tokens.get(who, who)}"}
        return self.client.request(method, path, headers=headers, **options)

    def tell_daemon(self, method: str, **params: Any) -> dict[str, Any]:
        """A question to the daemon past the server."""
        with zmq.Context() as context, context.socket(zmq.REQ) as socket:
            socket.linger, socket.rcvtimeo = 0, 5000
            socket.connect(self.control)
            socket.send_json({"method": method, "params": params})
            return socket.recv_json()  # type: ignore[return-value]

    @property
    def log(self) -> str:
        return (self.folder / "web.log").read_text()


@contextmanager
def served(folder: Path, **settings: Any) -> Iterator[Served]:
    with ExitStack() as stack:
        one = Served(folder, **settings)
        stack.callback(lambda: one.daemon.close())
        stack.callback(one.web.close)
        stack.callback(one.client.close)
        yield one
