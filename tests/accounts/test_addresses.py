"""What a limit counts as one address."""

import pytest

from accounts.addresses import UNKNOWN, address_block


@pytest.mark.parametrize(
    ("address", "block"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("192.0.2.1:4711", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("[2001:db8:1:2:ffff::1]:443", "2001:db8:1:2::/64"),
        ("[2001:db8:1:2:ffff::1]", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
    ],
)
@pytest.mark.spec("RFC 4291 §2.5.4")
def test_an_ipv4_address_counts_alone_and_an_ipv6_address_with_its_network(address: str, block: str) -> None:
    assert address_block(address) == block


@pytest.mark.parametrize("address", ["", "unix:", "300.1.1.1", "1.2.3.4:", "[x]:1", "a\0b", "192.0.2.1, 192.0.2.2"])
def test_whatever_is_no_address_counts_as_one_and_the_same(address: str) -> None:
    assert address_block(address) == UNKNOWN
