"""Who had the daemon do what, and what was refused: each is a line in the log that everybody sees."""

from collections.abc import Callable

from starlette.types import ASGIApp, Message, Receive, Scope, Send

#: What the routes do, by their names; in braces what their paths name.
_WORDS = {
    "add": "queued a plan",
    "replace": "replaced an item of the queue",
    "remove": "took an item out of the queue",
    "move": "moved an item of the queue",
    "clear": "cleared the queue",
    "start_queue": "started the queue",
    "stop_queue": "asked the queue to stop, or not to",
    "resume_item": "queued what was left of a plan",
    "acknowledge": "acknowledged an interruption",
    "acknowledge_interlock": "acknowledged the interlock {name}",
    "pause": "paused the plan",
    "resume": "had the plan go on",
    "stop": "stopped the plan",
    "abort": "aborted the plan",
    "halt": "halted the plan",
    "safe_state": "made the instrument safe",
    "connect": "had the devices connected",
    "disconnect": "had the devices let go",
    "destroy": "had the worker killed",
}
_REFUSED = 400


class Noted:
    """Middleware: has requests that change something written down.

    Args:
        app: what answers them.
        note: takes the level of a line, and its text.
    """

    def __init__(self, app: ASGIApp, note: Callable[[str, str], None]):
        self._app = app
        self._note = note

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """As ASGI has it."""
        if scope["type"] != "http" or scope["method"] in ("GET", "HEAD", "OPTIONS"):
            await self._app(scope, receive, send)
            return
        state = scope.setdefault("state", {})

        async def send_and_note(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._write(scope, state, message["status"])
            await send(message)

        await self._app(scope, receive, send_and_note)

    def _write(self, scope: Scope, state: dict[str, str], status: int) -> None:
        words = _WORDS.get(getattr(scope.get("route"), "name", ""))
        if words is None:
            return
        words = words.format_map(scope.get("path_params", {}))
        who = state.get("who", "somebody")
        if status < _REFUSED:
            self._note("notice", f"{who} {words}")
        else:
            self._note("warning", f"{who} would have {words}; refused: {state.get('why', status)}")
