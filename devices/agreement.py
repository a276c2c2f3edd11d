"""Believing an instrument whose protocol has no checksum: what it says counts when it says so again.

One bit that turns on a bad line makes another digit, or another prompt, that looks as good as the right one. So a
value that stands is taken at once only when it is what was taken before; one that is new has to be heard three times.
A value that stands is thus asked for once as a rule, and costs more only when it changes or the line is bad.

What is heard has to be said each time: a line that doubles replies would else let one garbled reply vote twice.
"""

from collections.abc import Callable
from typing import Any, TypeVar

from devices.errors import ReplyError

T = TypeVar("T")


class DisagreementError(ReplyError):
    """What an instrument says differs from one time to the next."""


class Agreement:
    """What one instrument is believed to have said last, by what it was asked.

    Args:
        device: for messages.
        hush: called before a question is repeated: has the line wait for a second copy of the reply, and drop it.
    """

    VOTES = 3
    REPLIES = 9

    def __init__(self, device: str, hush: Callable[[], None]):
        self._device = device
        self._hush = hush
        self._believed: dict[str, Any] = {}

    def believes(self, question: str, reply: object) -> bool:
        """Whether this is what was believed last."""
        return question in self._believed and self._believed[question] == reply

    def ask(self, question: str, ask: Callable[[], T]) -> T:
        """Ask until the answer can be believed.

        Args:
            question: names what is asked.
            ask: asks it once; what it raises is raised.

        Raises:
            DisagreementError: no three of nine answers agree.
        """
        heard: list[T] = []
        for _ in range(self.REPLIES):
            if heard:
                self._hush()
            heard.append(reply := ask())
            known = self.believes(question, reply)
            if (known and len(heard) == 1) or heard.count(reply) + known >= self.VOTES:
                self._believed[question] = reply
                return reply
        raise DisagreementError(
            f"{self._device}: asked {question!r} {self.REPLIES} times, no {self.VOTES} answers agree: "
            f"{', '.join(sorted({repr(reply) for reply in heard}))[:200]}; is the line disturbed?"
        )

    def forget(self) -> None:
        """Believe nothing of what was said before: something was changed."""
        self._believed = {}
