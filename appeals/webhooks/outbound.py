"""Outbound connections, which go only to addresses on the public internet.

A host name is resolved at each request, every address is checked, and the connection goes to a checked address. So a
name that changes its address in between cannot lead elsewhere. TLS still checks the certificate for the host name.
"""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

import httpx2

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
"""Resolves a host name and port to addresses. Raises: OSError."""
REFUSED = tuple(
    map(
        ip_network,
        (
            "192.0.0.0/24",  # IETF protocols
            "192.88.99.0/24",  # 6to4 relays
            "224.0.0.0/4",  # multicast
            "2001::/23",  # IETF protocols and Teredo
            "2001:db8::/32",  # documentation
            "2002::/16",  # 6to4, which wraps an IPv4 address
            "3fff::/20",  # documentation
        ),
    )
)
"""Networks that some release of `ipaddress` calls global although they are not (IANA special-purpose registries)."""
UNICAST = ip_network("2000::/3")
"""The network of all public IPv6 unicast addresses; IPv4-mapped and NAT64 addresses are not in it."""


class AddressNotPublic(httpx2.ConnectError):
    """A host name resolves to an address that is not on the public internet."""


def is_public(text: str) -> bool:
    """Return whether a text is an address of a machine on the public internet."""
    try:
        address = ip_address(text)
    except ValueError:
        return False
    return _is_public(address) and not any(address in network for network in REFUSED)


def _is_public(address: IPv4Address | IPv6Address) -> bool:
    return address.is_global and not address.is_reserved and (address.version == 4 or address in UNICAST)


def is_loopback(text: str) -> bool:
    """Return whether a text is an address of this machine itself."""
    try:
        return ip_address(text).is_loopback
    except ValueError:
        return False


async def resolved(host: str, port: int) -> list[str]:
    """Resolve a host name with the resolver of this machine. Raises: OSError."""
    records = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_, address in records))


@dataclass
class PublicAddressTransport(httpx2.AsyncBaseTransport):
    """An HTTP transport that connects through `inner`, only to public addresses and, with `to_loopback`, to this
    machine.
    """

    inner: httpx2.AsyncBaseTransport
    resolve: Resolve = resolved
    to_loopback: bool = False

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Connect to the addresses one after the other until one accepts.

        Raises: AddressNotPublic, httpx2.TransportError.
        """
        host = request.url.host
        failed: httpx2.TransportError = httpx2.ConnectError("the host name has no address", request=request)
        for address in await self._checked(request, host):
            try:
                return await self.inner.handle_async_request(_sent_to(address, request))
            except (httpx2.ConnectError, httpx2.ConnectTimeout) as error:
                failed = error
        raise failed

    async def _checked(self, request: httpx2.Request, host: str) -> Sequence[str]:
        port = request.url.port or {"https": 443, "http": 80}[request.url.scheme]
        try:
            addresses = await self.resolve(host, port)
        except (OSError, UnicodeError) as error:
            raise httpx2.ConnectError("the host name is unknown", request=request) from error
        if not all(is_public(address) or (self.to_loopback and is_loopback(address)) for address in addresses):
            raise AddressNotPublic("not a public address", request=request)
        return addresses

    async def aclose(self) -> None:
        """Close the connections."""
        await self.inner.aclose()


def _sent_to(address: str, request: httpx2.Request) -> httpx2.Request:
    """Return the same request to an address. The Host header and the name in the certificate stay the same."""
    extensions = {**request.extensions, "sni_hostname": request.url.raw_host.decode("ascii")}
    return httpx2.Request(
        request.method,
        request.url.copy_with(host=address),
        headers=request.headers,
        stream=request.stream,
        extensions=extensions,
    )
