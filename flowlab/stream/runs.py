"""Which run a document belongs to: start and stop name it, everything else goes by what came before."""

from typing import Any

from flowlab.stream.codec import CodecError


class RunFinder:
    """Follows documents as they are emitted and tells the run of each.

    Only documents that are emitted in order can be asked about: an event is placed by its descriptor,
    a datum by its resource.
    """

    def __init__(self) -> None:
        self._run_of: dict[str, str] = {}

    def run_of(self, name: str, doc: dict[str, Any]) -> str:
        """The uid of the run ``doc`` belongs to.

        Raises:
            CodecError: the document refers to one that was not seen.
        """
        match name:
            case "start":
                return doc["uid"]
            case "stop":
                run_uid = doc["run_start"]
                self._run_of = {uid: run for uid, run in self._run_of.items() if run != run_uid}
                return run_uid
            case "descriptor" | "resource" | "stream_resource":
                run_uid = doc.get("run_start")
                if not run_uid:
                    raise CodecError(f"a {name} that names no run")
                self._run_of[doc["uid"]] = run_uid
                return run_uid
            case "event" | "event_page":
                parent = doc["descriptor"]
            case "datum" | "datum_page":
                parent = doc["resource"]
            case "stream_datum":
                parent = doc["stream_resource"]
            case _:
                raise CodecError(f"not a kind of document: {name!r}")
        try:
            return self._run_of[parent]
        except KeyError:
            raise CodecError(f"{name} refers to {parent}, which was not seen") from None
