"""The page itself: its files, as they are in the package."""

import hashlib
from collections.abc import Iterator
from importlib.resources import files
from importlib.resources.abc import Traversable

from fastapi import APIRouter, HTTPException, Request, Response

#: Nothing but what this server gives; no script or style but in files of their own.
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
    "font-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_TYPES = {".js": "text/javascript", ".css": "text/css", ".html": "text/html", ".svg": "image/svg+xml"}


def page() -> APIRouter:
    """Routes of the page. Anybody may have it: there is nothing in it that is not in the package."""
    router = APIRouter(include_in_schema=False)
    there = dict(_contents(files("flowlab.web") / "static", ""))

    def give(request: Request, path: str) -> Response:
        if path not in there:
            raise HTTPException(404, f"there is no {path!r} here")
        content, tag = there[path]
        headers = {"ETag": tag, "Cache-Control": "no-cache", "Content-Security-Policy": _POLICY}
        if request.headers.get("if-none-match") == tag:
            return Response(status_code=304, headers=headers)
        kind = _TYPES.get(path[path.rfind(".") :], "text/plain")
        return Response(content, media_type=kind, headers=headers)

    @router.get("/")
    async def index(request: Request) -> Response:
        return give(request, "index.html")

    @router.get("/static/{path:path}")
    async def file(request: Request, path: str) -> Response:
        return give(request, path)

    return router


def _contents(folder: Traversable, prefix: str) -> Iterator[tuple[str, tuple[bytes, str]]]:
    """Path, content and entity tag of each file: all are read once, so no request ever names a file on the disk."""
    for entry in folder.iterdir():
        path = f"{prefix}{entry.name}"
        if entry.is_dir():
            yield from _contents(entry, f"{path}/")
        else:
            content = entry.read_bytes()
            yield path, (content, f'"{hashlib.sha256(content).hexdigest()[:16]}"')
