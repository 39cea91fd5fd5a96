from ipaddress import IPv4Address, IPv6Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from magnetite.endpoint import (
    Endpoint,
    Scope,
    _ask_library,
    decode_endpoint,
    is_contactable,
    scope_of,
    split_host_port,
)
from magnetite.errors import RemoteProtocolError

PORTS = st.integers(0, 65535)
ENDPOINTS = st.builds(lambda ip, port: Endpoint(str(ip), port), st.ip_addresses(), PORTS)


@pytest.mark.parametrize(
    ("endpoint", "compact"),
    [
        (Endpoint("1.2.3.4", 6881), b"\x01\x02\x03\x04\x1a\xe1"),
        (Endpoint("97.120.106.101", 11893), b"axje.u"),  # BEP 5, get_peers
        (Endpoint("2001:db8::1", 258), bytes.fromhex("20010db8000000000000000000000001") + b"\x01\x02"),
    ],
)
def test_compact_forms_of_both_families(endpoint, compact):
    assert endpoint.compact() == compact
    assert decode_endpoint(compact) == endpoint


@given(ENDPOINTS)
def test_compact_form_reverses(endpoint):
    again = decode_endpoint(endpoint.compact())
    assert (type(IPv6Address(again.ip) if again.is_ipv6 else IPv4Address(again.ip)), again.port) == (
        IPv6Address if endpoint.is_ipv6 else IPv4Address,
        endpoint.port,
    )
    assert again.compact() == endpoint.compact()


@given(st.binary(max_size=40))
def test_compact_forms_are_6_or_18_bytes_and_nothing_else(data):
    if len(data) in (6, 18):
        assert decode_endpoint(data).compact() == data
    else:
        with pytest.raises(RemoteProtocolError):
            decode_endpoint(data)


@given(ENDPOINTS.filter(lambda endpoint: endpoint.port))
def test_parsing_reverses_writing(endpoint):
    assert split_host_port(str(endpoint)) == endpoint


@pytest.mark.parametrize("text", ["", "1.2.3.4", ":1", "1.2.3.4:", "1.2.3.4:0", "1.2.3.4:65536", "1.2.3.4:-1",
                                  "2001:db8::1:6881", "1.2.3.4:٣", "[]:1"])  # fmt: skip
def test_what_is_no_endpoint_is_refused(text):
    with pytest.raises(ValueError):
        split_host_port(text)


def test_a_host_may_be_a_name_where_names_are_allowed():
    assert split_host_port("dht.libtorrent.org:25401") == ("dht.libtorrent.org", 25401)
    assert split_host_port("[2001:db8::1]:1") == ("2001:db8::1", 1)


SCOPES = {
    Scope.NOWHERE: ["0.0.0.0", "0.1.2.3", "224.0.0.1", "239.1.1.1", "240.0.0.1", "255.255.255.255", "::", "ff02::1",
                    "::ffff:8.8.8.8", "::ffff:127.0.0.1", "::127.0.0.1", "64:ff9b::1", "no address", ""],
    Scope.LOOPBACK: ["127.0.0.1", "127.255.255.254", "::1"],
    Scope.LINK: ["169.254.1.1", "fe80::1"],
    Scope.PRIVATE: ["10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1", "100.64.0.1", "192.0.2.1", "fc00::1",
                    "fd12::1", "fec0::1", "2001:db8::1"],
    Scope.GLOBAL: ["8.8.8.8", "1.1.1.1", "172.32.0.1", "100.128.0.1", "2a00:1450::1", "2606:4700::1"],
}  # fmt: skip


@pytest.mark.parametrize(("scope", "ip"), [(scope, ip) for scope, ips in SCOPES.items() for ip in ips])
def test_addresses_fall_into_their_class(scope, ip):
    assert scope_of(ip) is scope


@given(st.text(max_size=20))
def test_any_text_has_a_scope(text):
    assert isinstance(scope_of(text), Scope)


@pytest.mark.parametrize("own", list(Scope))
@pytest.mark.parametrize("scope", list(Scope))
def test_strangers_name_global_addresses_or_ones_of_our_own_scope(scope, own):
    endpoint = Endpoint(SCOPES[scope][0], 6881)
    expected = scope is Scope.GLOBAL or (scope is own and scope is not Scope.NOWHERE)
    assert is_contactable(endpoint, own) is expected


def test_port_0_is_never_contacted():
    assert not is_contactable(Endpoint("8.8.8.8", 0), Scope.GLOBAL)


def test_the_first_byte_says_what_the_standard_library_says() -> None:
    for first in range(256):
        for rest in ("0.0.0", "0.0.1", "64.0.1", "168.1.1", "254.9.9", "255.255.255"):
            ip = f"{first}.{rest}"
            assert scope_of(ip) is _ask_library(ip), ip
