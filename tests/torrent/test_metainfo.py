from hashlib import sha1
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from magnetite.bencoding import encode
from magnetite.errors import InvalidMetainfo, MetadataMismatch, PrivateTorrent, Reason, UnsupportedTorrent
from magnetite.ids import InfoHash
from magnetite.torrent.metainfo import decode_info, decode_torrent, encode_torrent, refuse_private
from tests.torrent.samples import multi, single

SINGLE = {b"length": 5, b"name": b"a.txt", b"piece length": 4, b"pieces": bytes(40)}
MULTI = {
    b"files": [{b"length": 3, b"path": [b"b", b"c"]}, {b"length": 0, b"path": [b"d"]}, {b"length": 2, b"path": [b"e"]}],
    b"name": b"folder",
    b"piece length": 4,
    b"pieces": bytes(40),
}


def changed(info, **fields):
    """The dictionary with some fields replaced, or removed where None; `_` in a name is a space."""
    result = info | {key.replace("_", " ").encode(): value for key, value in fields.items()}
    return {key: value for key, value in result.items() if value is not None}


def file(*path, length=5, **more):
    return {b"length": length, b"path": list(path)} | {key.encode(): value for key, value in more.items()}


def test_a_single_file_is_one_entry():
    metainfo = decode_info(encode(SINGLE))
    assert [(entry.path, entry.length, entry.offset) for entry in metainfo.files] == [(("a.txt",), 5, 0)]
    assert (metainfo.name, metainfo.length, metainfo.piece_length, metainfo.piece_count) == ("a.txt", 5, 4, 2)
    assert not metainfo.is_private


def test_several_files_lie_one_behind_the_other_in_the_torrents_folder():
    metainfo = decode_info(encode(MULTI))
    assert [(entry.path, entry.length, entry.offset) for entry in metainfo.files] == [
        (("folder", "b", "c"), 3, 0),
        (("folder", "d"), 0, 3),
        (("folder", "e"), 2, 3),
    ]
    assert metainfo.length == 5


def test_piece_hashes_are_20_bytes_each():
    pieces = bytes(range(40))
    metainfo = decode_info(encode(changed(SINGLE, pieces=pieces)))
    assert [metainfo.piece_hash(piece) for piece in range(2)] == [pieces[:20], pieces[20:]]


def test_the_info_hash_is_taken_over_the_bytes_as_published():
    unsorted = b"d4:name1:a6:lengthi1e6:pieces20:" + bytes(20) + b"12:piece lengthi16384ee"
    torrent = b"d8:announce3:url4:info" + unsorted + b"e"
    metainfo = decode_torrent(torrent)
    assert metainfo.info == unsorted
    assert bytes(metainfo.info_hash) == sha1(unsorted).digest()
    assert decode_info(unsorted, metainfo.info_hash).info_hash == metainfo.info_hash
    assert decode_torrent(encode_torrent(metainfo)) == metainfo


def test_metadata_of_another_torrent_is_told_from_bad_metadata():
    with pytest.raises(MetadataMismatch):
        decode_info(encode(SINGLE), InfoHash(1))


def test_the_fields_around_the_info_are_kept():
    torrent = {
        "announce": "http://first",
        "announce-list": [["http://first", "http://second"], ["udp://third"]],
        "comment": "a comment",
        "created by": "a program",
        "creation date": 1234567890,
        "info": SINGLE,
        "nodes": [["127.0.0.1", 6881], ["router.example", 4804], ["2001:db8::1", 1941]],
    }
    metainfo = decode_torrent(encode(torrent))
    assert metainfo.trackers == ("http://first", "http://second", "udp://third")
    assert metainfo.nodes == (("127.0.0.1", 6881), ("router.example", 4804), ("2001:db8::1", 1941))
    assert (metainfo.comment, metainfo.created_by, metainfo.creation_date) == ("a comment", "a program", 1234567890)
    assert decode_torrent(encode_torrent(metainfo)) == metainfo


@pytest.mark.parametrize(
    "fields",
    [
        {"announce": 1},
        {"announce": ""},
        {"announce-list": 1},
        {"announce-list": ["x", [1], {}]},
        {"nodes": [["a"], ["", 1], ["a", 0], ["a", 65536], [1, "a"], 5]},
        {"comment": 1, "created by": [], "creation date": "x"},
    ],
)
def test_fields_that_are_not_needed_are_left_out_where_they_make_no_sense(fields):
    metainfo = decode_torrent(encode({"info": SINGLE} | fields))
    assert metainfo == decode_info(encode(SINGLE))


BAD = {
    "no name": changed(SINGLE, name=None),
    "name that is a number": changed(SINGLE, name=1),
    "no piece length": changed(SINGLE, piece_length=None),
    "piece length 0": changed(SINGLE, piece_length=0),
    "negative piece length": changed(SINGLE, piece_length=-4),
    "piece length of a gibibyte": changed(SINGLE, piece_length=1 << 30, pieces=bytes(20)),
    "piece length that is text": changed(SINGLE, piece_length=b"4"),
    "no pieces": changed(SINGLE, pieces=None),
    "pieces that are a number": changed(SINGLE, pieces=1),
    "39 bytes of pieces": changed(SINGLE, pieces=bytes(39)),
    "too few pieces": changed(SINGLE, pieces=bytes(20)),
    "too many pieces": changed(SINGLE, pieces=bytes(60)),
    "neither length nor files": changed(SINGLE, length=None),
    "both length and files": changed(SINGLE, files=MULTI[b"files"]),
    "negative length": changed(SINGLE, length=-5),
    "length that is text": changed(SINGLE, length=b"5"),
    "no bytes at all": changed(SINGLE, length=0, pieces=b""),
    "length of 2^63 - 1": changed(SINGLE, length=(1 << 63) - 1),
    "no files": changed(MULTI, files=[]),
    "files that are a dictionary": changed(MULTI, files={}),
    "a file that is text": changed(MULTI, files=[b"a"]),
    "a file without a length": changed(MULTI, files=[{b"path": [b"a"]}]),
    "a file of negative length": changed(MULTI, files=[file(b"a", length=10), file(b"b", length=-5)]),
    "a file without a path": changed(MULTI, files=[{b"length": 5}]),
    "a file with an empty path": changed(MULTI, files=[file()]),
    "a file with a path of text": changed(MULTI, files=[{b"length": 5, b"path": b"a"}]),
    "a file with a number in its path": changed(MULTI, files=[file(1)]),
    "a path of a thousand folders": changed(MULTI, files=[file(*[b"a"] * 1000)]),
    "lengths that overflow together": changed(MULTI, files=[file(b"a", length=(1 << 62) + 1)] * 2),
}


@pytest.mark.parametrize("info", BAD.values(), ids=BAD.keys())
def test_fields_that_contradict_each_other_are_refused(info):
    with pytest.raises(InvalidMetainfo) as raised:
        decode_info(encode(info))
    assert raised.value.reason is Reason.INVALID_METAINFO


def test_more_files_than_anybody_shares_are_refused(monkeypatch):
    monkeypatch.setattr("magnetite.torrent.metainfo.MAX_FILES", 2)
    with pytest.raises(InvalidMetainfo, match="longer than 2"):
        decode_info(encode(MULTI))


@pytest.mark.parametrize("data", [b"", b"not a torrent", b"de", b"d4:infoi1ee", b"d4:info2:dee", b"l" * 1000])
def test_what_is_no_torrent_is_refused(data):
    with pytest.raises(InvalidMetainfo):
        decode_torrent(data)


@given(st.binary(max_size=200))
def test_any_bytes_are_a_torrent_or_refused(data):
    for decode in (decode_torrent, decode_info):
        with pytest.raises((InvalidMetainfo, UnsupportedTorrent)):
            decode(data)


values = st.recursive(
    st.integers(-10, 10) | st.binary(max_size=4) | st.just(bytes(40)),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from([b"length", b"path", b"path.utf-8", b"attr", b"x"]), inner, max_size=3)
    ),
    max_leaves=8,
)
KEYS = [b"length", b"files", b"name", b"name.utf-8", b"piece length", b"pieces", b"private", b"meta version"]


@given(st.sampled_from([SINGLE, MULTI]), st.dictionaries(st.sampled_from(KEYS), values, max_size=3))
def test_any_value_in_any_field_is_read_or_refused(info, fields):
    try:
        metainfo = decode_info(encode(info | fields))
    except (InvalidMetainfo, UnsupportedTorrent):
        return
    assert 0 < metainfo.length <= metainfo.piece_count * metainfo.piece_length


def test_a_version_2_torrent_is_known_and_not_supported_yet():
    info = {b"file tree": {b"a": {b"": {b"length": 5}}}, b"meta version": 2, b"name": b"a", b"piece length": 16384}
    with pytest.raises(UnsupportedTorrent, match="not supported yet"):
        decode_info(encode(info))


def test_a_hybrid_torrent_is_read_as_version_1():
    info = SINGLE | {b"file tree": {b"a": {b"": {b"length": 5}}}, b"meta version": 2}
    assert decode_info(encode(info)).length == 5


def test_padding_files_hold_bytes_and_have_no_need_of_a_path():
    padding = {b"attr": b"xp", b"length": 2}
    info = changed(MULTI, files=[file(b"a", length=2), padding, file(b"b", length=1)])
    metainfo = decode_info(encode(info))
    assert [(entry.offset, entry.length, entry.is_padding) for entry in metainfo.files] == [
        (0, 2, False),
        (2, 2, True),
        (4, 1, False),
    ]


def test_a_symlink_becomes_an_empty_file():
    link = {b"attr": b"l", b"path": [b"link"], b"symlink path": [b"..", b"..", b"etc"]}
    metainfo = decode_info(encode(changed(MULTI, files=[file(b"a"), link])))
    assert (metainfo.files[1].path, metainfo.files[1].length) == (("folder", "link"), 0)


def test_utf_8_names_win_and_bad_bytes_are_replaced():
    entry = {b"length": 5, b"path": [b"\xff"], b"path.utf-8": ["ü".encode(), b"\xfe"]}
    metainfo = decode_info(encode(MULTI | {b"files": [entry], b"name": b"\xff", b"name.utf-8": "né".encode()}))
    assert metainfo.files[0].path == ("né", "ü", "\N{REPLACEMENT CHARACTER}")


@pytest.mark.parametrize(
    "name", [b"..", b"/etc/passwd", b"C:\\x", b"a/../../b", b"\0", b"con", b"x" * 1000, b"con." + b"x" * 400]
)
def test_every_path_stays_in_the_download_folder_below_the_torrents_name(name):
    info = changed(MULTI, name=name, files=[file(name, b"..", name), file(b"..", length=0), file(name, length=0)])
    metainfo = decode_info(encode(info))
    for entry in metainfo.files:
        assert Path("/downloads", *entry.path).resolve().is_relative_to(Path("/downloads", metainfo.name))
        assert len(Path("/downloads", *entry.path).parts) == 2 + len(entry.path)


def test_a_torrent_without_a_usable_name_is_named_by_its_info_hash():
    metainfo = decode_info(encode(changed(SINGLE, name=b"")))
    assert metainfo.name == str(metainfo.info_hash)


def test_private_torrents_are_read_and_refused_with_a_reason():
    metainfo = decode_info(encode(changed(SINGLE, private=1)))
    assert metainfo.is_private
    with pytest.raises(PrivateTorrent, match="private torrent") as raised:
        refuse_private(metainfo)
    assert raised.value.reason is Reason.PRIVATE_TORRENT
    refuse_private(decode_info(encode(changed(SINGLE, private=0))))


def test_a_torrent_of_many_pieces_and_files_is_read():
    metainfo, _ = multi({f"{number}": 1 for number in range(10_000)}, piece_length=1)
    assert (metainfo.piece_count, len(metainfo.files)) == (10_000, 10_000)
    assert single(bytes(100_000), piece_length=1).piece_count == 100_000
