"""USB transfers over a TCP connection: a pyusb backend, so that a driver that speaks USB reaches a simulator.

To pyusb it is a bus with one device on it, with one pair of bulk endpoints. What a bulk transfer carries goes over the
connection as it is.
"""

import errno
import socket
from types import SimpleNamespace
from typing import Any

import usb.backend
import usb.core

_PACKET = 512  # largest packet of a bulk endpoint at high speed
_BULK = 2


class UsbOverTcp(usb.backend.IBackend):
    """A bus with one device.

    pyusb opens a device for whatever it does with it, even to reset it after its end: so the connection is made when
    the device is configured, which is when somebody begins to use it.

    Args:
        host: where it is.
        port: likewise.
        vendor: USB number of its maker.
        product: USB number of the model.
        endpoints: addresses of its bulk endpoints.
        connect_within_s: real seconds.
    """

    def __init__(
        self, host: str, port: int, vendor: int, product: int, endpoints: tuple[int, ...], connect_within_s: float
    ):
        self._where = (host, port)
        self._vendor, self._product = vendor, product
        self._endpoints = endpoints
        self._connect_within_s = connect_within_s
        self._socket: socket.socket | None = None

    # What pyusb asks about the device.

    def enumerate_devices(self) -> Any:  # noqa: D102
        yield self

    def get_device_descriptor(self, dev: Any) -> Any:  # noqa: D102
        return SimpleNamespace(
            bLength=18,
            bDescriptorType=1,
            bcdUSB=0x0200,
            bDeviceClass=0xFF,
            bDeviceSubClass=0,
            bDeviceProtocol=0,
            bMaxPacketSize0=64,
            idVendor=self._vendor,
            idProduct=self._product,
            bcdDevice=0,
            iManufacturer=0,
            iProduct=0,
            iSerialNumber=0,
            bNumConfigurations=1,
            address=1,
            bus=0,
            port_number=None,
            port_numbers=None,
            speed=None,
        )

    def get_configuration_descriptor(self, dev: Any, config: int) -> Any:  # noqa: D102
        if config != 0:
            raise IndexError(config)
        return SimpleNamespace(
            bLength=9,
            bDescriptorType=2,
            wTotalLength=18 + 7 * len(self._endpoints),
            bNumInterfaces=1,
            bConfigurationValue=1,
            iConfiguration=0,
            bmAttributes=0x80,
            bMaxPower=250,
            extra_descriptors=b"",
        )

    def get_interface_descriptor(self, dev: Any, intf: int, alt: int, config: int) -> Any:  # noqa: D102
        if (intf, alt, config) != (0, 0, 0):
            raise IndexError(intf)
        return SimpleNamespace(
            bLength=9,
            bDescriptorType=4,
            bInterfaceNumber=0,
            bAlternateSetting=0,
            bNumEndpoints=len(self._endpoints),
            bInterfaceClass=0xFF,
            bInterfaceSubClass=0,
            bInterfaceProtocol=0,
            iInterface=0,
            extra_descriptors=b"",
        )

    def get_endpoint_descriptor(self, dev: Any, ep: int, intf: int, alt: int, config: int) -> Any:  # noqa: D102
        return SimpleNamespace(
            bLength=7,
            bDescriptorType=5,
            bEndpointAddress=self._endpoints[ep],
            bmAttributes=_BULK,
            wMaxPacketSize=_PACKET,
            bInterval=0,
            bRefresh=0,
            bSynchAddress=0,
            extra_descriptors=b"",
        )

    # What it does with it.

    def open_device(self, dev: Any) -> Any:  # noqa: D102
        return self

    def close_device(self, dev_handle: Any) -> None:
        """End the connection, if there is one."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def set_configuration(self, dev_handle: Any, config_value: int) -> None:
        """Connect.

        Raises:
            usb.core.USBError: nobody answers there.
        """
        self.close_device(dev_handle)
        try:
            self._socket = socket.create_connection(self._where, self._connect_within_s)
        except OSError as error:
            raise usb.core.USBError(str(error), errno=errno.ENODEV) from None

    def get_configuration(self, dev_handle: Any) -> Any:  # noqa: D102
        return 1

    def claim_interface(self, dev_handle: Any, intf: int) -> None:
        """Nobody else can have it: the other end admits one client at a time."""

    def release_interface(self, dev_handle: Any, intf: int) -> None:
        """See :meth:`claim_interface`."""

    def reset_device(self, dev_handle: Any) -> None:
        """What is under way ends with the connection."""
        self.close_device(dev_handle)

    def bulk_write(self, dev_handle: Any, ep: int, intf: int, data: Any, timeout: int) -> Any:
        """Send; the number of bytes.

        Raises:
            usb.core.USBError: the connection is lost, or nothing is taken in time.
        """
        with _UsbErrors():
            self._connection(timeout).sendall(data)
        return len(data)

    def bulk_read(self, dev_handle: Any, ep: int, intf: int, buff: Any, timeout: int) -> Any:
        """Receive what is there, at most as much as the buffer takes; the number of bytes.

        Raises:
            usb.core.USBError: the connection is lost, or nothing comes in time.
        """
        with _UsbErrors():
            count = self._connection(timeout).recv_into(buff)
            if count == 0:
                raise ConnectionError("the other end has closed it")
        return count

    def _connection(self, timeout_ms: int) -> socket.socket:
        if self._socket is None:
            raise ConnectionError("it is not connected")
        self._socket.settimeout(timeout_ms / 1000)
        return self._socket


class _UsbErrors:
    """Turns errors of a socket into those that USB has."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        if isinstance(error, TimeoutError):
            raise usb.core.USBTimeoutError(str(error), errno=errno.ETIMEDOUT) from None
        if isinstance(error, OSError):
            raise usb.core.USBError(str(error), errno=errno.ENODEV) from None
