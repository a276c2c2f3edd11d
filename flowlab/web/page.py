"""The page itself: its files, as they are in the package."""

import gzip
import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable

from fastapi import APIRouter, HTTPException, Request, Response

#: Nothing but what this server gives; no script or style but in files of their own.
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
    "font-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_TYPES = {".js": "text/javascript", ".css": "text/css", ".html": "text/html", ".svg": "image/svg+xml"}
#: Of what a browser accepts: gzip, unless it says that it would rather not.
_GZIP = re.compile(r"(?:^|,)\s*(?:x-)?gzip\s*(?:;\s*q=(?!0(?:\.0*)?\s*(?:,|$))[\d.]+\s*)?(?:,|$)", re.IGNORECASE)


@dataclass(frozen=True)
class _File:
    """A file as it is, and packed; all are read once, so no request ever names a file on the disk."""

    plain: bytes
    packed: bytes
    tag: str

    @classmethod
    def of(cls, content: bytes) -> "_File":
        return cls(content, gzip.compress(content, mtime=0), hashlib.sha256(content).hexdigest()[:16])

    def answer(self, request: Request, kind: str) -> Response:
        packed = _GZIP.search(request.headers.get("accept-encoding", "")) is not None
        tag = f'"{self.tag}-gzip"' if packed else f'"{self.tag}"'  # what differs in a byte has another tag
        headers = {
            "ETag": tag,
            "Vary": "Accept-Encoding",
            "Cache-Control": "no-cache",
            "Content-Security-Policy": _POLICY,
        }
        if request.headers.get("if-none-match") == tag:
            return Response(status_code=304, headers=headers)
        if packed:
            headers["Content-Encoding"] = "gzip"
        return Response(self.packed if packed else self.plain, media_type=kind, headers=headers)


def page() -> APIRouter:
    """Routes of the page. Anybody may have it: there is nothing in it that is not in the package."""
    router = APIRouter(include_in_schema=False)
    there = dict(_contents(files("flowlab.web") / "static", ""))

    def give(request: Request, path: str) -> Response:
        if path not in there:
            raise HTTPException(404, f"there is no {path!r} here")
        return there[path].answer(request, _TYPES.get(path[path.rfind(".") :], "text/plain"))

    @router.get("/")
    async def index(request: Request) -> Response:
        return give(request, "index.html")

    @router.get("/static/{path:path}")
    async def file(request: Request, path: str) -> Response:
        return give(request, path)

    return router


def _contents(folder: Traversable, prefix: str) -> Iterator[tuple[str, _File]]:
    for entry in folder.iterdir():
        path = f"{prefix}{entry.name}"
        if entry.is_dir():
            yield from _contents(entry, f"{path}/")
        else:
            yield path, _File.of(entry.read_bytes())
