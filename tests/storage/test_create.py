import os
from hashlib import sha1

import pytest

from magnetite.errors import InvalidMetainfo, LocalProtocolError, Reason, StorageError
from magnetite.storage.create import create_torrent
from magnetite.storage.files import open_storage
from magnetite.storage.resume import doubtful_pieces
from magnetite.torrent.metainfo import decode_torrent, encode_torrent
from magnetite.torrent.pieces import everything
from tests.torrent.samples import content, hashes

pytestmark = pytest.mark.real_clock

DATA = content(100_000)


def fill(folder):
    files = {"b.bin": DATA[:50_000], "a/z": DATA[50_000:70_000], "a/empty": b"", "a b": DATA[70_000:]}
    for path, data in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(data)


async def test_a_file_becomes_a_torrent_of_one_file(tmp_path):
    (tmp_path / "file.bin").write_bytes(DATA)
    metainfo = (await create_torrent(tmp_path / "file.bin")).metainfo
    assert [(entry.path, entry.length) for entry in metainfo.files] == [(("file.bin",), 100_000)]
    assert metainfo.piece_hashes == hashes(DATA, 16384)
    assert bytes(metainfo.info_hash) == sha1(metainfo.info).digest()


async def test_a_folder_becomes_a_torrent_that_can_be_shared_from_where_it_is(tmp_path):
    fill(tmp_path / "folder")
    created = await create_torrent(tmp_path / "folder", piece_length=1 << 15, comment="hello", creation_date=5)
    metainfo = created.metainfo
    assert [entry.path[1:] for entry in metainfo.files] == [("a", "empty"), ("a", "z"), ("a b",), ("b.bin",)]
    assert metainfo.piece_hashes == hashes(DATA[50_000:] + DATA[:50_000], 1 << 15)
    assert (metainfo.comment, metainfo.creation_date) == ("hello", 5)
    assert decode_torrent(encode_torrent(metainfo)) == metainfo
    async with open_storage(metainfo, tmp_path) as storage:
        assert created.resume.verified == everything(metainfo.piece_count)
        assert not doubtful_pieces(created.resume, metainfo, await storage.stats())
        assert all([await storage.verify(piece) for piece in range(metainfo.piece_count)])


async def test_progress_grows_to_the_whole(tmp_path):
    (tmp_path / "file.bin").write_bytes(DATA)
    told = []
    await create_torrent(tmp_path / "file.bin", progress=lambda done, total: told.append((done, total)))
    assert told == [(min(n * 16384, 100_000), 100_000) for n in range(1, 8)]


async def test_nothing_on_disk_is_changed(tmp_path):
    fill(tmp_path / "folder")
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    await create_torrent(tmp_path / "folder")
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before


async def test_the_path_given_may_be_a_link(tmp_path):
    fill(tmp_path / "folder")
    (tmp_path / "link").symlink_to(tmp_path / "folder")
    assert (await create_torrent(tmp_path / "link")).metainfo.name == "folder"


@pytest.mark.parametrize("target", ["b.bin", "a", "/etc", "nowhere"])
async def test_links_are_refused_and_named(tmp_path, target):
    fill(tmp_path / "folder")
    (tmp_path / "folder" / "a" / "link").symlink_to(target)
    with pytest.raises(StorageError, match="folder/a/link: a link"):
        await create_torrent(tmp_path / "folder")


async def test_what_is_no_file_is_refused_without_waiting_for_it(tmp_path):
    fill(tmp_path / "folder")
    os.mkfifo(tmp_path / "folder" / "pipe")
    with pytest.raises(StorageError, match="folder/pipe"):
        await create_torrent(tmp_path / "folder")


async def test_a_path_that_does_not_exist_is_named(tmp_path):
    with pytest.raises(StorageError, match="nowhere"):
        await create_torrent(tmp_path / "nowhere")


async def test_a_file_that_cannot_be_read_is_named(tmp_path, monkeypatch):
    fill(tmp_path / "folder")
    real = os.open

    def refuse(path, *args, **kwargs):
        if path == "b.bin":
            raise PermissionError(13, "Permission denied", path)
        return real(path, *args, **kwargs)

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(StorageError, match=r"b\.bin: permission denied") as raised:
        await create_torrent(tmp_path / "folder")
    assert raised.value.reason is Reason.NOT_READABLE


async def test_an_empty_folder_is_refused(tmp_path):
    (tmp_path / "folder" / "inner").mkdir(parents=True)
    with pytest.raises(InvalidMetainfo, match="nothing to share"):
        await create_torrent(tmp_path / "folder")


@pytest.mark.parametrize("piece_length", [-1, 0, 1 << 40])
async def test_an_absurd_piece_length_is_refused(tmp_path, piece_length):
    (tmp_path / "file.bin").write_bytes(DATA)
    with pytest.raises(LocalProtocolError):
        await create_torrent(tmp_path / "file.bin", piece_length=piece_length)


@pytest.mark.parametrize("change", ["cut", "touch"])
async def test_a_file_that_changes_meanwhile_is_told(tmp_path, monkeypatch, change):
    path = tmp_path / "file.bin"
    path.write_bytes(DATA)
    pread = os.pread

    def changing(descriptor, length, offset):
        if change == "cut":
            os.truncate(path, 10_000)
        else:
            os.utime(path, (1, 1))
        return pread(descriptor, length, offset)

    monkeypatch.setattr(os, "pread", changing)
    with pytest.raises(StorageError, match="changed while it was read"):
        await create_torrent(path)
