"""seabreeze's handle on a spectrometer, by its address.

``tcp://192.168.254.254:57357`` a spectrometer with a network plug; ``usb://QEP00001`` the one of that serial number
on USB, ``usb://`` the first of its model; ``usb+tcp://127.0.0.1:57358`` USB messages over TCP, as a simulator takes
them.
"""

import socket
from typing import Any, Protocol
from urllib.parse import urlsplit

from seabreeze.pyseabreeze import transport
from seabreeze.pyseabreeze.transport import IPv4Transport, IPv4TransportHandle, USBTransport

from devices.links.usb_over_tcp import UsbOverTcp

#: Endpoints that a model of Ocean has or does not have: bulk out, bulk in, and the fast ones.
_ENDPOINTS = (0x01, 0x81, 0x82, 0x86)


class Place(Protocol):
    """Where a spectrometer is to be found."""

    def handles(self) -> list[Any]:
        """What may be it: seabreeze's handles, for :class:`SeaBreezeDevice`.

        Raises:
            OSError: nothing is there.
            RuntimeError: it cannot even be looked for.
        """
        ...

    @property
    def serial_number(self) -> str:
        """That it must have; empty when any will do."""
        ...


def place(address: str | None, model: str, allowed: tuple[str, ...], limit_s: float) -> Place:
    """The place that an address names.

    Args:
        address: see the module.
        model: seabreeze's name of it.
        allowed: schemes that the model has a plug for.
        limit_s: real seconds within which a connection must be made.

    Raises:
        ValueError: it is no such address.
    """
    examples = {"tcp": "tcp://192.168.254.254:57357", "usb": "usb://SERIAL", "usb+tcp": "usb+tcp://127.0.0.1:57358"}
    where = urlsplit(address or "")
    if where.scheme in allowed and where.path in ("", "/"):
        if where.scheme == "usb":
            return _OnUsb(model, where.netloc, limit_s)
        if where.hostname and where.port:
            kind = _OnNetwork if where.scheme == "tcp" else _OnUsbOverTcp
            return kind(model, where.hostname, where.port, limit_s)
    raise ValueError(f"address {address!r} is not of the form {' or '.join(examples[scheme] for scheme in allowed)}")


class _OnNetwork:
    serial_number = ""

    def __init__(self, model: str, host: str, port: int, limit_s: float):
        self._model, self._host, self._port, self._limit_s = model, host, port, limit_s

    def handles(self) -> list[Any]:
        found = socket.getaddrinfo(self._host, self._port, socket.AF_INET, socket.SOCK_STREAM)
        address = str(found[0][4][0])
        if (address, self._port) not in IPv4Transport.devices_ip_port:
            IPv4Transport.register_model(self._model, ipv4_address=address, ipv4_port=self._port)
        return [PatientHandle(address, self._port, self._limit_s)]


class _OnUsb:
    #: Of seabreeze's backends for pyusb; None: whichever is installed.
    _backend: str | None = None

    def __init__(self, model: str, serial_number: str, limit_s: float):
        self.serial_number = serial_number
        self._ids = next(ids for ids, name in USBTransport.vendor_product_ids.items() if name == model)
        self._limit_s = limit_s

    def handles(self) -> list[Any]:
        return [
            handle
            for handle in USBTransport.list_devices(pyusb_backend=self._backend)
            if handle.identity[:2] == self._ids
        ]


class _OnUsbOverTcp(_OnUsb):
    def __init__(self, model: str, host: str, port: int, limit_s: float):
        super().__init__(model, "", limit_s)
        self._backend = f"tcp {host}:{port}"
        self._where = (host, port)

    def handles(self) -> list[Any]:
        # seabreeze finds backends by their name in this table, in which it also keeps its own.
        transport._pyusb_backend_instances[str(self._backend)] = UsbOverTcp(
            *self._where, *self._ids, _ENDPOINTS, self._limit_s
        )
        try:
            return super().handles()
        finally:
            del transport._pyusb_backend_instances[str(self._backend)]


class PatientHandle(IPv4TransportHandle):
    """seabreeze's handle on a TCP spectrometer, with a time limit, and an error when the other end is gone.

    seabreeze's own waits for ever: without a limit on the socket, and in a loop over the empty reads that a
    closed connection gives.
    """

    def __init__(self, address: str, port: int, limit_s: float):
        super().__init__(address, port)
        self._limit_s = limit_s

    def open(self) -> None:
        """Connect, or raise RuntimeError as seabreeze's own handle does."""
        self.socket.close()
        self.socket = _CarefulSocket(socket.AF_INET, socket.SOCK_STREAM)
        self.socket.settimeout(self._limit_s)
        try:
            self.socket.connect(self.get_address())
        except OSError as error:
            self.socket.close()
            raise RuntimeError(str(error)) from None

    def close(self) -> None:
        """Close the socket in use, which is another than the one seabreeze remembers to close."""
        self.socket.close()
        super().close()


class _CarefulSocket(socket.socket):
    """A socket on which the end of the connection is an error."""

    def recv_into(self, *args: Any, **kwargs: Any) -> int:
        """As in the standard library, but never 0."""
        count = super().recv_into(*args, **kwargs)
        if count == 0:
            raise ConnectionError("the other end has closed it")
        return count
