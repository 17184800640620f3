"""What a limit counts as one address (RFC 4291 §2.5.4: a household or a machine gets 64 bits, all of which it can use).

The address itself is `REMOTE_ADDR`. Behind proxies the WSGI application puts the client's there, on the
word of those in IDP_TRUSTED_PROXIES alone.
"""

import ipaddress
import re
from ipaddress import IPv6Address

UNKNOWN = "unknown"
_IPV6_BLOCK = 64
_WITH_PORT = re.compile(r"\[(?P<v6>[^\]]+)\](?::\d+)?|(?P<v4>[\d.]+):\d+")


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
