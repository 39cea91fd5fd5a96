from base64 import b32encode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from magnetite.errors import InvalidMagnet, Reason, UnsupportedTorrent
from magnetite.ids import InfoHash
from magnetite.torrent.magnet import MAX_TEXT, MagnetLink, parse_info_hash, parse_magnet

HEX = "0123456789abcdef0123456789abcdef01234567"
HASH = InfoHash(int(HEX, 16))
BASE32 = b32encode(bytes(HASH)).decode()
V2 = "urn:btmh:1220" + "ab" * 32

words = st.text(max_size=30).map(lambda text: text.encode(errors="replace").decode().strip()).filter(bool)
hosts = st.from_regex(r"[a-z0-9][a-z0-9.-]{0,20}", fullmatch=True) | st.ip_addresses().map(str)
links = st.builds(
    MagnetLink,
    info_hash=st.integers(0, (1 << 160) - 1).map(InfoHash),
    name=st.none() | words,
    length=st.none() | st.integers(0, 10**18 - 1),
    trackers=st.lists(words, max_size=3, unique=True).map(tuple),
    peers=st.lists(st.tuples(hosts, st.integers(1, 65535)), max_size=3, unique=True).map(tuple),
    files=st.sampled_from([(), ((0, 0),), ((0, 0), (2, 5)), ((7, 999_999_999),)]),
)


def test_every_field_of_a_link_is_read():
    link = parse_magnet(
        f"magnet:?xt=urn:btih:{HEX}&dn=Some+name%21&xl=1234&tr=http%3A%2F%2Fa%2Fannounce&tr=udp://b:1"
        "&x.pe=1.2.3.4:5&x.pe=[2001:db8::1]:6&x.pe=peer.example:7&so=0,2,4-8&ws=http://seed/&unknown=1"
    )
    assert link == MagnetLink(
        HASH,
        "Some name!",
        1234,
        ("http://a/announce", "udp://b:1"),
        (("1.2.3.4", 5), ("2001:db8::1", 6), ("peer.example", 7)),
        ((0, 0), (2, 2), (4, 8)),
    )


@pytest.mark.parametrize(
    "text",
    [
        f"magnet:?xt=urn:btih:{HEX}",
        f"  magnet:?xt=urn:btih:{HEX}\n",
        f"MAGNET:?XT=URN:BTIH:{HEX.upper()}",
        f"magnet:?xt=urn:btih:{BASE32}",
        f"magnet:?xt=urn:btih:{BASE32.lower()}",
        f"magnet:?xt=urn%3Abtih%3A{HEX}",
        f"magnet:?xt.1=urn:btih:{HEX}",
        f"magnet:?xt.1=urn:ed2k:abc&xt.2=urn:btih:{HEX}",
        f"magnet:?xt={V2}&xt=urn:btih:{HEX}",
        f"magnet:?xt=urn:btih:{HEX}&xt=urn:btih:{'f' * 40}",
        f"magnet:?dn=&xl=&tr=&x.pe=&so=&xt=urn:btih:{HEX}",
        f"magnet://?xt=urn:btih:{HEX}",
        f"magnet:?dn=&amp;xt=urn:btih:{HEX}",
    ],
)
def test_one_torrent_is_named_in_many_ways(text):
    assert parse_magnet(text) == MagnetLink(HASH)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "no magnet link"),
        ("http://example.com/", "no magnet link"),
        (HEX, "no magnet link"),
        ("magnet:?dn=name", "no 'xt=urn:btih:'"),
        ("magnet:?xt=urn:sha1:abc", "no 'xt=urn:btih:'"),
        ("magnet:?xt=urn:btih:", "0 characters"),
        (f"magnet:?xt=urn:btih:{HEX[:-1]}", "39 characters"),
        (f"magnet:?xt=urn:btih:{HEX[:-1]}g", "40 hexadecimal digits or 32"),
        (f"magnet:?xt=urn:btih:{BASE32[:-1]}1", "40 hexadecimal digits or 32"),
        (f"magnet:?xt=urn:btih:{HEX}&so=8-4", "so='8-4'"),
        (f"magnet:?xt=urn:btih:{HEX}&so=x", "so='x'"),
        (f"magnet:?xt=urn:btih:{HEX}&dn={'x' * MAX_TEXT}", "at most"),
    ],
)
def test_what_is_wrong_with_a_link_is_told(text, told):
    with pytest.raises(InvalidMagnet, match=told) as raised:
        parse_magnet(text)
    assert raised.value.reason is Reason.INVALID_MAGNET


def test_a_v2_link_is_known_and_not_supported_yet():
    with pytest.raises(UnsupportedTorrent, match="not supported yet"):
        parse_magnet(f"magnet:?xt={V2}")


@pytest.mark.parametrize(
    "field", ["x.pe=nonsense", "x.pe=1.2.3.4:0", "x.pe=a%20b:1", "xl=-1", "xl=1e9", "xl=" + "9" * 99]
)
def test_an_optional_field_that_makes_no_sense_is_left_out(field):
    assert parse_magnet(f"magnet:?xt=urn:btih:{HEX}&{field}") == MagnetLink(HASH)


@pytest.mark.parametrize("text", [HEX, HEX.upper(), BASE32, BASE32.lower(), f" {HEX}\n"])
def test_a_bare_info_hash_is_read(text):
    assert parse_info_hash(text) == HASH


@given(links)
def test_parsing_reverses_writing(link):
    assert parse_magnet(str(link)) == link


@given(st.text(max_size=80), st.booleans())
def test_any_text_is_a_canonical_link_or_refused_with_a_known_error(text, with_topic):
    try:
        link = parse_magnet(f"magnet:?xt=urn:btih:{HEX}&{text}" if with_topic else text)
    except InvalidMagnet:
        return
    assert parse_magnet(str(link)) == link


@given(st.text(st.characters(), max_size=20), st.sampled_from(["dn", "tr", "x.pe", "xl"]))
def test_no_value_of_an_optional_field_spoils_a_link(value, key):
    link = parse_magnet(f"magnet:?xt=urn:btih:{HEX}&{key}={value}".replace("&so", "&s"))
    assert link.info_hash == HASH
