"""Two programs that download one torrent into one folder."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from magnetite.cli.exit_codes import ExitCode
from magnetite.storage.claim import Claim
from magnetite.torrent.magnet import parse_magnet
from tests.cli.conftest import OFFLINE, Invoke
from tests.cli.test_swarm_verbs import Seeder


@pytest.mark.skipif(sys.platform != "linux", reason="nobody is stopped elsewhere")
def test_the_second_is_told_that_another_is_at_it(invoke: Invoke, seeder: Seeder, tmp_path: Path) -> None:
    magnet, peer = seeder
    arguments = ("get", magnet, "--dir", tmp_path / "out", "--state", tmp_path / "state", *OFFLINE, "--peer", peer)
    first = Claim(parse_magnet(magnet).info_hash)
    first.take(tmp_path / "out")
    second = invoke(*arguments)
    assert second.code == ExitCode.FILES
    assert "out: another magnetite is downloading this torrent there; wait for it" in second.err
    first.drop()
    assert invoke(*arguments).code == ExitCode.DONE
