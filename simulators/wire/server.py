"""What the bench asks of whatever serves instruments at an address: a line, a web server, an EPICS server."""

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from flowlab.clock import Clock
from simulators.wire.address import Address
from simulators.wire.clients import Clients
from simulators.wire.instrument import Fault


class Server(Protocol):
    """Serves the instruments at one address.

    Attributes:
        address: where it is to be reached; the real port once it is open.
        clients: who is connected.
    """

    address: Address
    clients: Clients

    def faults_of(self, name: str) -> dict[str, Fault]:
        """The faults that the connection of an instrument can have; :meth:`settle` brings them into effect."""
        ...

    def truth_of(self, name: str) -> dict[str, Any]:
        """What the connection of an instrument did to what it carried."""
        ...

    async def open(self) -> None:
        """Begin to listen.

        Raises:
            PortInUseError: another program has the address.
        """
        ...

    async def settle(self) -> None:
        """Bring faults that were set or cleared into effect."""
        ...

    def speak(self) -> None:
        """Send what instruments say by themselves."""
        ...

    async def close(self) -> None:
        """Cut connections and free the address."""
        ...


#: Address, instruments there, clock, what brings the plant up to now, seed of faults.
MakeServer = Callable[[Address, Sequence[Any], Clock, Callable[[], None], int], Server]
