"""Which host means this machine, and what a limit counts as one address.

A household or a machine gets 64 bits of IPv6, all of which it can use (RFC 4291 §2.5.4).

The address itself is `REMOTE_ADDR`. Behind proxies the WSGI application puts the client's there, on the
word of those in IDP_TRUSTED_PROXIES alone.
"""

import ipaddress
import re
from ipaddress import IPv6Address

UNKNOWN = "unknown"
_IPV6_BLOCK = 64
_WITH_PORT = re.compile(r"\[(?P<v6>[^\]]+)\](?::\d+)?|(?P<v4>[\d.]+):\d+")


def is_loopback(host: str | None) -> bool:
    """Whether a host can only mean this machine (RFC 8252 §7.3).

    Arguments:
        host: as `urlsplit` gives it; None for none.
    """
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host or "").is_loopback
    except ValueError:
        return False


def address_block(address: str) -> str:
    """The block that an address counts as.

    Arguments:
        address: an IPv4 or IPv6 address; some proxies write a port behind it.

    Returns:
        The IPv4 address, or the IPv6 network of 64 bits. Whatever is no address counts as one and the
        same, so that nobody gets new attempts by being illegible.
    """
    with_port = _WITH_PORT.fullmatch(address)
    text = (with_port["v6"] or with_port["v4"]) if with_port else address
    try:
        found = ipaddress.ip_address(text)
    except ValueError:
        return UNKNOWN
    if not isinstance(found, IPv6Address):
        return str(found)
    if found.ipv4_mapped is not None:
        return str(found.ipv4_mapped)
    return str(ipaddress.ip_network((int(found), _IPV6_BLOCK), strict=False))
