"""What the HTTP process is told when it is started."""

import ipaddress
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from flowlab.errors import BadInputError


class Settings(BaseModel):
    """The specification, one JSON object.

    Attributes:
        control: address of the daemon's control socket; None where there is no daemon: nothing can be changed then.
        documents: where the proxy gives documents out; None: there is no page.
        replay: address of the replay service, likewise.
        data: folder of the runs, for frames of detectors.
        host: address to listen at.
        port: 0: one that is free.
        tokens: folder of the tokens; without one nobody may change anything.
        keys: a client's file of keys, where the control socket asks for them.
        names: further names of this machine under which it may be asked, a proxy's for instance.
        limit_s: how long the daemon may take to answer, in seconds; ten times that where it has to look things up.
        body_bytes: how long a request may be.
    """

    model_config = ConfigDict(extra="forbid")

    control: str | None = Field(default=None, min_length=1)
    documents: str | None = None
    replay: str | None = None
    data: Path | None = None
    host: str = "127.0.0.1"
    port: int = Field(default=0, ge=0, le=65535)
    tokens: Path | None = None
    keys: Path | None = None
    names: list[str] = []
    limit_s: float = Field(default=2.0, gt=0.0, le=60.0)
    body_bytes: int = Field(default=1 << 20, gt=0)

    @classmethod
    def of(cls, spec: dict[str, Any]) -> "Settings":
        """From a specification.

        Raises:
            BadInputError: it cannot be understood.
        """
        try:
            return cls.model_validate(spec)
        except ValidationError as error:
            raise BadInputError(f"the HTTP server cannot be started so: {in_words(error.errors())}") from None

    @property
    def loopback(self) -> bool:
        """Whether only this machine can ask."""
        return is_loopback(self.host)


def is_loopback(host: str) -> bool:
    """Whether an address is one of this machine's own, that nobody else can reach."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def in_words(errors: Any) -> str:
    """What pydantic complains of, as one line."""
    where = [".".join(map(str, error["loc"])) for error in errors]
    return "; ".join(f"{at}: {error['msg']}" if at else error["msg"] for at, error in zip(where, errors, strict=True))
