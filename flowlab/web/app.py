"""The application: its routes, and what becomes of errors. Whatever is refused is refused in one line."""

import json
import logging
from dataclasses import dataclass
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.routing import compile_path
from starlette.types import ASGIApp

import flowlab
from flowlab.daemon.tokens import Tokens
from flowlab.errors import BadInputError, FlowlabError
from flowlab.web.access import Guard
from flowlab.web.bounds import Bounds
from flowlab.web.changing import changing
from flowlab.web.control import ControlClient, NoDaemonError, SilentDaemonError, TooBusyError
from flowlab.web.gallery import Gallery
from flowlab.web.interlocks import interlocks
from flowlab.web.looking import looking
from flowlab.web.metrics import Metrics
from flowlab.web.models import Refusal
from flowlab.web.noted import Noted
from flowlab.web.page import page
from flowlab.web.reading import reading, watching
from flowlab.web.settings import Settings, in_words
from flowlab.web.status import Status
from flowlab.web.viewers import Viewers

_LOG = logging.getLogger(__name__)
_API = "/api/v1"
_MEANING = {
    400: "This is no HTTP, or no JSON.",
    401: "A token is needed, and was not given, is not known or has expired.",
    403: "The token's role does not allow that; or the server was asked under a name that is not its own.",
    404: "There is no such plan, item or interlock.",
    405: "That cannot be done with it.",
    408: "The request did not arrive.",
    409: "The daemon cannot do that now.",
    413: "The request is too long.",
    422: "The question is wrong.",
    503: "There is no daemon to ask.",
    504: "The daemon does not answer; what became of the question is not known.",
}
_METHOD_NOT_ALLOWED = 405
_STATUS = {BadInputError: 422, NoDaemonError: 503, TooBusyError: 503, SilentDaemonError: 504}


class Json(JSONResponse):
    """JSON in ASCII: whatever text a request or a device brings can be told again."""

    def render(self, content: Any) -> bytes:
        """As ever, but for that."""
        return json.dumps(content, separators=(",", ":")).encode()


@dataclass(frozen=True)
class Sources:
    """Whom answers come from.

    Attributes:
        control: the daemon, and
        status: how it is; both None where there is none.
        gallery: the picture; None where there is no page.
    """

    control: ControlClient | None
    status: Status | None
    gallery: Gallery | None


def guard_of(settings: Settings) -> Guard:
    """Who may what, by the tokens that there are."""
    return Guard(None if settings.tokens is None else Tokens(settings.tokens), settings.names)


def make_app(sources: Sources, viewers: Viewers | None, guard: Guard, settings: Settings) -> ASGIApp:
    """What answers HTTP requests."""
    app = FastAPI(
        title="flowlab",
        version=flowlab.__version__,
        description="Plans, their queue, and the instrument that they run on.",
        openapi_url=f"{_API}/openapi.json",
        docs_url=None,  # its page comes from another server
        redoc_url=None,
        default_response_class=Json,
        redirect_slashes=False,
        generate_unique_id_function=lambda route: route.name,
        responses={code: {"model": Refusal, "description": meaning} for code, meaning in _MEANING.items()},
    )
    control, status = sources.control, sources.status
    if control is not None and status is not None:
        app.include_router(reading(control, status, guard), prefix=_API)
        app.include_router(changing(control, guard), prefix=_API)
        app.include_router(interlocks(control, guard), prefix=_API)
        app.include_router(watching(status, Metrics(control, status), guard))
    if sources.gallery is not None and viewers is not None:
        app.include_router(looking(sources.gallery, guard), prefix=_API)
        app.add_api_websocket_route(f"{_API}/live", viewers.serve)
        app.include_router(page())
    app.add_exception_handler(HTTPException, _refuse_http)
    app.add_exception_handler(RequestValidationError, _refuse_invalid)
    app.add_exception_handler(FlowlabError, _refuse)
    noted: ASGIApp = app
    if (gallery := sources.gallery) is not None:
        noted = Noted(app, lambda level, text: gallery.do(lambda picture: picture.note(level, text)))
    return Bounds(noted, [settings.host], settings.names, settings.body_bytes)


def _told(request: Request, code: int, detail: str, headers: Any = None) -> Json:
    request.state.why = " ".join(detail.split())[:2000]
    return Json({"detail": request.state.why}, code, headers=headers)


async def _refuse_http(request: Request, error: Exception) -> Json:
    assert isinstance(error, HTTPException)  # noqa: S101  it is registered for that
    headers = dict(error.headers or {})
    if error.status_code == _METHOD_NOT_ALLOWED:
        headers["Allow"] = ", ".join(_methods(request))
    return _told(request, error.status_code, str(error.detail), headers)


def _methods(request: Request) -> list[str]:
    """What can be done at a path: what its own name offers, or else what a name in its place does."""
    paths: dict[str, dict[str, Any]] = request.app.openapi()["paths"]
    here = request.url.path
    if here in paths:
        return sorted(map(str.upper, paths[here]))
    return sorted({how.upper() for path in paths if compile_path(path)[0].match(here) for how in paths[path]})


async def _refuse_invalid(request: Request, error: Exception) -> Json:
    assert isinstance(error, RequestValidationError)  # noqa: S101  it is registered for that
    errors = error.errors()
    code = 400 if any(one["type"] == "json_invalid" for one in errors) else 422
    return _refused(request, code, in_words(errors))


async def _refuse(request: Request, error: Exception) -> Json:
    code = next((code for kind, code in _STATUS.items() if isinstance(error, kind)), 409)
    return _refused(request, code, str(error))


def _refused(request: Request, code: int, why: str) -> Json:
    _LOG.info("refused: %s %a: %d: %a", request.method, request.url.path, code, why)
    return _told(request, code, why)
