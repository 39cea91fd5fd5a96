"""Another client's reading of the same bytes; libtorrent is a development dependency."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from magnetite.errors import UnsupportedTorrent
from magnetite.torrent.magnet import MagnetLink, parse_magnet
from magnetite.torrent.metainfo import decode_torrent
from magnetite.torrent.piece_map import PieceMap

libtorrent = pytest.importorskip("libtorrent")
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # 2.1 deprecates what 2.0 has nothing else for

LENGTHS = {"b/one": 100_000, "a": 5, "empty": 0, "c/two": 70_000}


def made_by_libtorrent(tmp_path, flags):
    for path, length in LENGTHS.items():
        file = tmp_path / "folder" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(bytes([length % 251]) * length)
    files = libtorrent.file_storage()
    libtorrent.add_files(files, str(tmp_path / "folder"))
    torrent = libtorrent.create_torrent(files, 16384, flags)
    libtorrent.set_piece_hashes(torrent, str(tmp_path))
    return libtorrent.bencode(torrent.generate())


@pytest.mark.parametrize("flags", [libtorrent.create_torrent.v1_only, 0], ids=["v1", "hybrid"])
def test_a_torrent_is_read_as_libtorrent_reads_it(tmp_path, flags):
    data = made_by_libtorrent(tmp_path, flags)
    ours, theirs = decode_torrent(data), libtorrent.torrent_info(data)
    storage = theirs.orig_files()
    assert str(ours.info_hash) == str(theirs.info_hashes().v1)
    assert (ours.name, ours.length, ours.piece_count) == (theirs.name(), theirs.total_size(), theirs.num_pieces())
    assert [("/".join(f.path), f.length, f.offset) for f in ours.files if not f.is_padding] == [
        (storage.file_path(i), storage.file_size(i), storage.file_offset(i))
        for i in range(storage.num_files())
        if not storage.file_flags(i) & libtorrent.file_flags_t.flag_pad_file
    ]
    for piece in range(ours.piece_count):
        length = PieceMap(ours).piece_length_of(piece)
        assert [tuple(span) for span in PieceMap(ours).spans(piece, 0, length)] == [
            (part.file_index, part.offset, part.size) for part in theirs.map_block(piece, 0, length) if part.size
        ]


def test_a_version_2_torrent_of_libtorrent_is_told_from_a_bad_one(tmp_path):
    with pytest.raises(UnsupportedTorrent):
        decode_torrent(made_by_libtorrent(tmp_path, libtorrent.create_torrent.v2_only))


@given(
    st.builds(
        MagnetLink,
        st.integers(1, (1 << 160) - 1).map(lambda number: parse_magnet(f"magnet:?xt=urn:btih:{number:040x}").info_hash),
        name=st.none() | st.text(st.characters(codec="utf-8", exclude_categories=["C"]), min_size=1).filter(str.strip),
        trackers=st.lists(st.sampled_from(["http://a/announce?x=1&y=2", "udp://b:80"]), unique=True).map(tuple),
    )
)
def test_libtorrent_reads_our_links(link):
    theirs = libtorrent.parse_magnet_uri(str(link))
    assert str(theirs.info_hashes.v1) == str(link.info_hash)
    assert theirs.name == (link.name or "")
    assert tuple(theirs.trackers) == link.trackers
