"""What a bad cable does to the replies of one instrument: garbles, cuts, loses, delays or doubles some of them.

Which replies it spoils, and how, is drawn from a seed, so that a run with faults can be repeated.
"""

import random
from collections import Counter
from collections.abc import Callable
from functools import partial

from flowlab.errors import BadInputError
from simulators.wire.instrument import Fault

#: Bytes to send, each so many real seconds after the reply was due.
Sent = list[tuple[float, bytes]]


class Cable:
    """A cable that is good until one of its :attr:`faults` is set.

    Args:
        seed: of what is drawn.

    Attributes:
        faults: by name. Each takes ``probability``, the share of replies that it strikes (1), ``delay`` also
            ``delay_s``, how many real seconds a reply comes late (1.5).
        spoilt: how many replies were spoilt so far, by the name of the fault; one that was spoilt in two ways counts
            in both.
    """

    def __init__(self, seed: str):
        self._random = random.Random(seed)  # noqa: S311  nothing is secret
        self._probabilities: dict[str, float] = {}
        self._delay_s = 0.0
        self.spoilt: Counter[str] = Counter()
        self._spoil: dict[str, Callable[[Sent], Sent]] = {
            "garble": self._garble,
            "cut": self._cut,
            "lose": lambda sent: [],
            "delay": lambda sent: [(after_s + self._delay_s, data) for after_s, data in sent],
            "duplicate": lambda sent: sent * 2,
        }
        self.faults: dict[str, Fault] = {
            name: self._set_delay if name == "delay" else partial(self._set, name) for name in self._spoil
        }

    def carry(self, data: bytes) -> Sent:
        """What arrives of a reply."""
        sent = [(0.0, data)]
        for name, probability in self._probabilities.items():
            if sent and self._random.random() < probability:
                sent = self._spoil[name](sent)
                self.spoilt[name] += 1
        return sent

    def _set(self, name: str, on: bool, *, probability: float = 1.0) -> None:
        if not 0.0 <= probability <= 1.0:
            raise BadInputError(f"probability = {probability:g} is outside 0…1")
        if on:
            self._probabilities[name] = probability
        else:
            self._probabilities.pop(name, None)

    def _set_delay(self, on: bool, *, probability: float = 1.0, delay_s: float = 1.5) -> None:
        if not 0.0 <= delay_s <= 3600.0:
            raise BadInputError(f"delay_s = {delay_s:g} is outside 0…3600")
        self._delay_s = delay_s
        self._set("delay", on, probability=probability)

    def _garble(self, sent: Sent) -> Sent:
        """Turn one bit of one byte."""
        garbled: Sent = []
        for after_s, data in sent:
            spoilt = bytearray(data)
            spoilt[self._random.randrange(len(data))] ^= 1 << self._random.randrange(8)
            garbled.append((after_s, bytes(spoilt)))
        return garbled

    def _cut(self, sent: Sent) -> Sent:
        """Leave a beginning, or nothing."""
        return [(after_s, data[: self._random.randrange(len(data))]) for after_s, data in sent]
