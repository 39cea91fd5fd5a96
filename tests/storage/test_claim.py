import subprocess
import sys

import pytest

from magnetite.errors import Reason, StorageError
from magnetite.ids import InfoHash
from magnetite.storage.claim import Claim
from magnetite.storage.files import open_storage
from tests.torrent.samples import piece_of, single

pytestmark = [
    pytest.mark.real_clock,
    pytest.mark.skipif(sys.platform != "linux", reason="nobody is stopped elsewhere"),
]

DATA = bytes(range(250)) * 100
ONE = single(DATA, piece_length=10_000)
HOLDER = """
import sys
from pathlib import Path
from magnetite.ids import InfoHash
from magnetite.storage.claim import Claim

claim = Claim(InfoHash(1))
claim.take(Path(sys.argv[1]))
print("taken", flush=True)
sys.stdin.read()
"""


def whole(piece):
    return [(piece, piece_of(ONE, DATA, piece))]


async def test_of_two_that_write_one_torrent_into_one_folder_the_second_is_told(tmp_path):
    async with open_storage(ONE, tmp_path) as first, open_storage(ONE, tmp_path / ".") as second:
        assert await first.commit(whole(0)) == [True]
        with pytest.raises(StorageError, match="another magnetite is downloading this torrent there") as error:
            await second.commit(whole(1))
        assert error.value.reason is Reason.FILES_IN_THE_WAY
        assert await first.commit(whole(1)) == [True]
    async with open_storage(ONE, tmp_path) as third:
        assert await third.commit(whole(2)) == [True]


async def test_who_only_reads_claims_nothing(tmp_path):
    async with open_storage(ONE, tmp_path) as first, open_storage(ONE, tmp_path) as second:
        assert not await first.verify(0)
        assert await second.commit(whole(0)) == [True]


async def test_another_torrent_or_another_folder_is_free(tmp_path):
    other, data = single(DATA[::-1], piece_length=10_000, name="other"), DATA[::-1]
    async with open_storage(ONE, tmp_path) as first, open_storage(other, tmp_path) as second:
        assert await first.commit(whole(0)) == [True]
        assert await second.commit([(0, piece_of(other, data, 0))]) == [True]
    async with open_storage(ONE, tmp_path / "a") as first, open_storage(ONE, tmp_path / "b") as second:
        assert await first.commit(whole(0)) == [True]
        assert await second.commit(whole(0)) == [True]


def test_a_claim_is_gone_with_its_process(tmp_path):
    process = subprocess.Popen([sys.executable, "-c", HOLDER, tmp_path], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    with process:
        assert process.stdout.readline() == b"taken\n"
        with pytest.raises(StorageError):
            Claim(InfoHash(1)).take(tmp_path)
        process.kill()
    claim = Claim(InfoHash(1))
    claim.take(tmp_path)
    claim.take(tmp_path)
    claim.drop()
