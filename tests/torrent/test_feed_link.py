from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from magnetite.dht.items import mutable_target
from magnetite.errors import InvalidMagnet
from magnetite.torrent.magnet import FeedLink, parse_feed_link

KEY = "8543d3e6115f0f98c944077a4493dcd543e49c739fd998550a1f614ab36ed63e"
HASH = "0123456789abcdef0123456789abcdef01234567"

names = st.text(max_size=30).map(lambda text: text.encode(errors="replace").decode().strip()).filter(bool)


@pytest.mark.parametrize(
    ("text", "target"),
    [
        (f"magnet:?xs=urn:btpk:{KEY}", "cc3f9d90b572172053626f9980ce261a850d050b"),
        (f"magnet:?xs=urn:btpk:{KEY}&s=6e", "59ee7c2cb9b4f7eb1986ee2d18fd2fdb8a56554f"),
    ],
)
def test_the_vectors_of_bep_46(text: str, target: str) -> None:
    link = parse_feed_link(text)
    assert link is not None
    assert str(mutable_target(link.key, link.salt)) == target
    assert str(link) == text


@given(st.builds(FeedLink, st.binary(min_size=32, max_size=32), st.binary(max_size=64), st.none() | names))
def test_a_link_is_written_and_read_again(link: FeedLink) -> None:
    assert parse_feed_link(str(link)) == link


@pytest.mark.parametrize(
    "text",
    [
        f" MAGNET:?XS=URN:BTPK:{KEY.upper()}\n",
        f"magnet:?xs=http://a/b&xs=urn:btpk:{KEY}&s=",
        f"magnet:?xt=urn:ed2k:1&xs=urn%3Abtpk%3A{KEY}&unknown=1",
    ],
)
def test_links_as_people_paste_them(text: str) -> None:
    assert parse_feed_link(text) == FeedLink(bytes.fromhex(KEY))


@pytest.mark.parametrize(
    "text",
    ["", HASH, f"urn:btpk:{KEY}", f"magnet:?xt=urn:btih:{HASH}", f"magnet:?xt=urn:btih:{HASH}&xs=urn:btpk:{KEY}"],
)
def test_what_names_a_torrent_or_nothing_is_left_to_others(text: str) -> None:
    assert parse_feed_link(text) is None


@pytest.mark.parametrize("rest", ["", "ab", KEY + "00", "g" * 64, f"{KEY}&s=6", f"{KEY}&s=zz", f"{KEY}&s={'00' * 65}"])
def test_a_wrong_key_or_salt_is_refused(rest: str) -> None:
    with pytest.raises(InvalidMagnet):
        parse_feed_link("magnet:?xs=urn:btpk:" + rest)


@given(st.text())
def test_any_text_is_a_link_or_none_or_refused(text: str) -> None:
    for each in (text, "magnet:?" + text, "magnet:?xs=urn:btpk:" + text):
        with suppress(InvalidMagnet):
            parse_feed_link(each)
