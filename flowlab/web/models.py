"""What is asked for and answered, as far as it is HTTP's; the rest is the daemon's, and handed on as it comes."""

from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

#: Longer than any name or uid is.
Word = Annotated[str, Field(min_length=1, max_length=200)]


class _Model(BaseModel):
    # Strict: "off" is not false, and what is meant to be a rehearsal is not found out to be none.
    model_config = ConfigDict(extra="forbid", strict=True)


class Refusal(_Model):
    """Why not."""

    detail: str = Field(description="One line, for a person.")


class Health(_Model):
    """Whether the daemon answers."""

    ok: bool
    state: str | None = Field(default=None, description="Of the daemon, when it answers.")
    why: str | None = Field(default=None, description="Why it does not.")


class Place(_Model):
    """Where in the queue: one of them."""

    index: int | None = Field(
        default=None, ge=-1_000_000, le=1_000_000, description="0 is the front, -1 the back.", examples=[0]
    )
    before: Word | None = Field(default=None, description="Uid of the item that it goes before.")
    after: Word | None = Field(default=None, description="Uid of the item that it goes after.")

    @model_validator(mode="after")
    def _one(self) -> Self:
        if sum(one is not None for one in (self.index, self.before, self.after)) != 1:
            raise ValueError("give one place: an index, or the item before or after which it is")
        return self


class Asked(_Model):
    """Parameters of a plan, as its JSON Schema has them."""

    parameters: dict[str, Any] = {}


class NewItem(Asked):
    """A plan to be run."""

    plan: Word
    place: Place | None = Field(default=None, description="None: the back.")


class OtherItem(Asked):
    """A plan to be run instead."""

    plan: Word


class Acknowledged(_Model):
    """What somebody has seen."""

    uid: Word = Field(description="Of the item that was interrupted.")


class QueueStop(_Model):
    """When the queue stops: after the item that runs."""

    cancel: bool = Field(default=False, description="No longer want to.")


class Pause(_Model):
    """How to pause."""

    deferred: bool = Field(default=True, description="At the next checkpoint, rather than at once.")


class SafeState(_Model):
    """How to make the instrument safe."""

    dry_run: bool = Field(default=False, description="Only tell what would be done.")
