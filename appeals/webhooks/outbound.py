"""Addresses on the public internet: the only ones that the service itself ever calls.

A name is looked up when it is called, every address it leads to is checked, and the connection goes to the very
address that was checked: whatever the name leads to a moment later changes nothing. TLS still asks for the
certificate of the name.
"""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

import httpx2

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
"""Finds the addresses that a name leads to. Raises: OSError."""
REFUSED = tuple(
    map(
        ip_network,
        (
            "192.0.0.0/24",  # for protocols, not for machines
            "192.88.99.0/24",  # relays of 6to4
            "224.0.0.0/4",  # multicast
            "2001::/23",  # for protocols, and Teredo
            "2001:db8::/32",  # documentation
            "2002::/16",  # 6to4: an address of version 4 inside
            "3fff::/20",  # documentation
        ),
    )
)
"""What `ipaddress` calls global, or did in some release of Python, and is none (IANA special-purpose registries)."""
UNICAST = ip_network("2000::/3")
"""All of IPv6 that is given to machines; IPv4-mapped and NAT64 addresses lie outside."""


class AddressNotPublic(httpx2.ConnectError):
    """The name leads to an address that is not on the public internet."""


def is_public(text: str) -> bool:
    """True for an address of a machine on the public internet."""
    try:
        address = ip_address(text)
    except ValueError:
        return False
    return _is_public(address) and not any(address in network for network in REFUSED)


def _is_public(address: IPv4Address | IPv6Address) -> bool:
    return address.is_global and not address.is_reserved and (address.version == 4 or address in UNICAST)


def is_loopback(text: str) -> bool:
    """True for this machine itself."""
    try:
        return ip_address(text).is_loopback
    except ValueError:
        return False


async def resolved(host: str, port: int) -> list[str]:
    """The addresses of a name, as this machine knows it. Raises: OSError."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(where[0]) for *_, where in found))


@dataclass
class PublicAddressTransport(httpx2.AsyncBaseTransport):
    """Sends through `inner`, to public addresses only; with `to_loopback`, to this machine too."""

    inner: httpx2.AsyncBaseTransport
    resolve: Resolve = resolved
    to_loopback: bool = False

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Connect to the addresses one after the other until one answers. Raises: AddressNotPublic,
        httpx2.TransportError.
        """
        host = request.url.host
        failed: httpx2.TransportError = httpx2.ConnectError("the name leads nowhere", request=request)
        for address in await self._checked(request, host):
            try:
                return await self.inner.handle_async_request(_sent_to(address, request))
            except (httpx2.ConnectError, httpx2.ConnectTimeout) as error:
                failed = error
        raise failed

    async def _checked(self, request: httpx2.Request, host: str) -> Sequence[str]:
        port = request.url.port or {"https": 443, "http": 80}[request.url.scheme]
        try:
            found = await self.resolve(host, port)
        except (OSError, UnicodeError) as error:
            raise httpx2.ConnectError("the name is not known", request=request) from error
        if not all(is_public(address) or (self.to_loopback and is_loopback(address)) for address in found):
            raise AddressNotPublic("not a public address", request=request)
        return found

    async def aclose(self) -> None:
        """Let the connections go."""
        await self.inner.aclose()


def _sent_to(address: str, request: httpx2.Request) -> httpx2.Request:
    """The same request to an address; the header Host and the certificate stay those of the name."""
    extensions = {**request.extensions, "sni_hostname": request.url.raw_host.decode("ascii")}
    return httpx2.Request(
        request.method,
        request.url.copy_with(host=address),
        headers=request.headers,
        stream=request.stream,
        extensions=extensions,
    )
