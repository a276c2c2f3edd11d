"""Routes for what a page fetches when somebody asks for it: earlier spectra, and curves of earlier points."""

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, Depends, HTTPException, Path, Query, Response

from flowlab.watch.picture import Picture
from flowlab.web.access import Guard
from flowlab.web.gallery import Gallery
from flowlab.web.wire import encode

#: Of the newest points, where no panel is asked for.
_MOST = 200
_MEDIA_TYPE = "application/octet-stream"
_ANSWER: dict[int | str, dict[str, Any]] = {
    200: {"content": {_MEDIA_TYPE: {"schema": {"type": "string", "format": "binary"}}}, "description": "docs/page.md"}
}


def looking(gallery: Gallery, guard: Guard) -> APIRouter:
    """What there is to be fetched under ``/api/v1/run``."""
    router = APIRouter(prefix="/run", dependencies=[Depends(guard.reader)], tags=["page"])

    @router.get("/spectra", response_class=Response, responses=_ANSWER)
    async def spectra(panel: Annotated[float | None, Query(allow_inf_nan=False)] = None) -> Response:
        """Spectra of the run that is shown: of a panel, or the newest."""
        return await _told(gallery, lambda picture: _spectra(picture, panel))

    @router.get("/saxs/{point}", response_class=Response, responses=_ANSWER)
    async def saxs(point: Annotated[int, Path(ge=0, lt=1 << 31)]) -> Response:
        """The curve of a point of the run that is shown."""
        return await _told(gallery, lambda picture: _saxs(picture, point))

    return router


async def _told(gallery: Gallery, question: Any) -> Response:
    found = await asyncio.to_thread(gallery.ask, question)
    if found is None:
        raise HTTPException(404, "there is no such point in the run that is shown")
    return Response(await asyncio.to_thread(encode, found), media_type=_MEDIA_TYPE)


def _spectra(picture: Picture, panel: float | None) -> dict[str, Any]:
    points = picture.sections.get("points")
    wanted = points[-_MOST:] if panel is None else [point for point in points if point["panel"] == panel]
    found = [(point, picture.spectrum(point["uid"])) for point in wanted]
    return {
        "type": "spectra",
        "run": picture.run_uid,
        "wavelength_nm": picture.wavelength_nm(),
        "items": [
            {
                **{key: point[key] for key in ("index", "panel", "coordinate")},
                "absorbance": spectrum[0],
                "absorbance_err": spectrum[1],
            }
            for point, spectrum in found
            if spectrum is not None
        ],
    }


def _saxs(picture: Picture, point: int) -> dict[str, Any] | None:
    found = picture.saxs_point(point)
    return None if found is None else {"type": "saxs", **found}
