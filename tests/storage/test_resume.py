from dataclasses import replace
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from magnetite.bencoding import encode
from magnetite.errors import StorageError
from magnetite.ids import InfoHash
from magnetite.storage.base import FileStat
from magnetite.storage.files import open_storage
from magnetite.storage.resume import (
    HEADER,
    ResumeData,
    decode_resume,
    doubtful_pieces,
    encode_resume,
    load_resume,
    save_resume,
)
from magnetite.torrent.pieces import everything, indices
from tests.torrent.samples import multi, piece_of

METAINFO, DATA = multi({"a": 25, "empty": 0, "b": 5, ".pad/10": 10, "c": 30}, piece_length=10)
STATS = (FileStat(25, 1), FileStat(0, 2), FileStat(5, 3), None, FileStat(30, 4))
EVERYTHING = ResumeData(METAINFO.info_hash, METAINFO.info, everything(7), STATS, 70, 1 << 40)

stats = st.none() | st.builds(FileStat, st.integers(0, 1 << 62), st.integers(-(1 << 62), 1 << 62))
resumes = st.builds(
    replace,
    st.just(EVERYTHING),
    verified=st.integers(0, everything(7)),
    files=st.lists(stats, max_size=6).map(tuple),
    downloaded=st.integers(0, 1 << 62),
    uploaded=st.integers(0, 1 << 62),
)


def sealed(body):
    return HEADER + sha256(body).digest() + body


@given(resumes)
def test_decoding_reverses_encoding(resume):
    assert decode_resume(encode_resume(resume)) == resume


@given(resumes, st.data())
def test_no_changed_byte_goes_unnoticed(resume, data):
    encoded = bytearray(encode_resume(resume))
    encoded[data.draw(st.integers(0, len(encoded) - 1))] ^= data.draw(st.integers(1, 255))
    with pytest.raises(StorageError, match="damaged"):
        decode_resume(bytes(encoded))


@given(resumes, st.data())
def test_no_file_cut_short_goes_unnoticed(resume, data):
    encoded = encode_resume(resume)
    with pytest.raises(StorageError, match="damaged"):
        decode_resume(encoded[: data.draw(st.integers(0, len(encoded) - 1))])


FIELDS = {
    "downloaded": 0,
    "files": bytes(16),
    "info": METAINFO.info,
    "info_hash": bytes(METAINFO.info_hash),
    "uploaded": 0,
    "verified": b"\x00",
}


@pytest.mark.parametrize(
    "fields",
    [
        *({name: value for name, value in FIELDS.items() if name != left_out} for left_out in FIELDS),
        *(FIELDS | {name: [b"x"]} for name in FIELDS),
        FIELDS | {"info_hash": bytes(20)},
        FIELDS | {"info_hash": b"short"},
        FIELDS | {"verified": bytes(len(METAINFO.info) + 1)},
        FIELDS | {"files": bytes(17)},
    ],
)
def test_fields_that_make_no_sense_are_damage_even_under_a_right_checksum(fields):
    decode_resume(sealed(encode(FIELDS)))
    with pytest.raises(StorageError, match="damaged"):
        decode_resume(sealed(encode(fields)))


@given(st.binary(max_size=80))
def test_any_bytes_are_refused_with_the_documented_error(data):
    for candidate in (data, HEADER + data, sealed(data)):
        with pytest.raises(StorageError, match="damaged"):
            decode_resume(candidate)


def test_another_version_is_refused():
    with pytest.raises(StorageError, match="this version"):
        decode_resume(encode_resume(EVERYTHING).replace(b"resume 2", b"resume 1"))


def test_what_was_saved_is_loaded(tmp_path):
    path = tmp_path / "state" / "x.resume"
    assert load_resume(path) is None
    save_resume(path, EVERYTHING)
    assert load_resume(path) == EVERYTHING


def test_a_damaged_file_is_set_aside_and_named_in_the_log(tmp_path, caplog):
    path = tmp_path / "x.resume"
    path.write_bytes(b"junk")
    assert load_resume(path) is None
    assert [file.name for file in tmp_path.iterdir()] == ["x.resume.damaged"]
    assert (tmp_path / "x.resume.damaged").read_bytes() == b"junk"
    assert "x.resume.damaged" in caplog.text
    save_resume(path, EVERYTHING)
    assert load_resume(path) == EVERYTHING


def test_a_file_that_cannot_be_read_is_an_error_and_not_a_fresh_start(tmp_path):
    (tmp_path / "x.resume").mkdir()
    with pytest.raises(StorageError, match=r"x\.resume"):
        load_resume(tmp_path / "x.resume")


def trusted(resume, metainfo, current):
    return resume.verified & everything(7) & ~doubtful_pieces(resume, metainfo, current)


# -- trust -----------------------------------------------------------------------------------------------------------


def test_untouched_files_are_trusted():
    assert trusted(EVERYTHING, METAINFO, STATS) == everything(7)


def test_in_untouched_files_nothing_is_to_be_looked_at_again():
    assert doubtful_pieces(replace(EVERYTHING, verified=0b100010), METAINFO, STATS) == 0


def test_without_resume_data_everything_is_to_be_looked_at():
    assert doubtful_pieces(None, METAINFO, STATS) == everything(7)


def test_only_what_was_verified_is_trusted():
    resume = replace(EVERYTHING, verified=0b100010)
    assert set(indices(trusted(resume, METAINFO, STATS))) == {1, 5}


PIECES = {0: {0, 1, 2}, 1: set(), 2: {2}, 4: {4, 5, 6}}  # by file; piece 3 is padding alone


@pytest.mark.parametrize("now", ["larger", "touched", "gone"])
@pytest.mark.parametrize("files", [{0}, {1}, {2}, {4}, {0, 4}, {0, 1, 2, 4}])
def test_pieces_of_changed_files_are_to_be_verified_again(files, now):
    def change(stat):
        return {"larger": stat._replace(size=stat.size + 1), "touched": stat._replace(mtime_ns=9), "gone": None}[now]

    current = [change(stat) if file in files else stat for file, stat in enumerate(STATS)]
    expected = set(range(7)).difference(*(PIECES[file] for file in files))
    assert set(indices(trusted(EVERYTHING, METAINFO, current))) == expected


def test_a_file_missing_then_and_now_vouches_for_nothing():
    files = (None, *STATS[1:])
    assert set(indices(trusted(replace(EVERYTHING, files=files), METAINFO, files))) == {3, 4, 5, 6}


@pytest.mark.parametrize(
    "resume",
    [
        replace(EVERYTHING, info_hash=InfoHash(1)),
        replace(EVERYTHING, verified=everything(8)),
        replace(EVERYTHING, files=STATS[1:]),
    ],
)
def test_resume_data_of_another_torrent_vouches_for_nothing(resume):
    assert trusted(resume, METAINFO, STATS) == 0


@pytest.mark.real_clock
async def test_a_torrent_left_and_taken_up_again_is_trusted_as_far_as_it_was_not_changed(tmp_path):
    async with open_storage(METAINFO, tmp_path) as storage:
        for piece in range(7):
            await storage.commit([(piece, piece_of(METAINFO, DATA, piece))])
        await storage.flush()
        resume = replace(EVERYTHING, files=await storage.stats())
    async with open_storage(METAINFO, tmp_path) as storage:
        assert trusted(resume, METAINFO, await storage.stats()) == everything(7)
    (tmp_path / "folder" / "b").write_bytes(b"?????")
    async with open_storage(METAINFO, tmp_path) as storage:
        assert set(indices(trusted(resume, METAINFO, await storage.stats()))) == {0, 1, 3, 4, 5, 6}
