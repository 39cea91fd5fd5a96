"""What a download is finished by: the folder it waits in until then, and the command that is run."""

from __future__ import annotations

import os
import re
import shlex
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Any

import click
import trio

from magnetite.cli.report import Report
from magnetite.download import Download
from magnetite.errors import Reason, StorageError
from magnetite.torrent.metainfo import Metainfo

_PLACEHOLDER = re.compile(r"\{(path|name|infohash)\}")


@dataclass(frozen=True, slots=True)
class CompletionCommand:
    """A command as its user typed it, split into words once, before any name of a torrent is in it.

    No shell sees it: a name becomes part of one argument, whatever characters are in it.
    """

    words: tuple[str, ...]

    def arguments(self, path: str, name: str, info_hash: str) -> list[str]:
        """The words with what the placeholders stand for; what is put in is not looked at again."""
        values = {"path": path, "name": name, "infohash": info_hash}
        return [_PLACEHOLDER.sub(lambda found: values[found[1]], word) for word in self.words]


@dataclass(frozen=True, slots=True)
class Finishing:
    """How files are made, where they are until they are complete, and what is run then."""

    incomplete: Path | None = None
    preallocate: bool = False
    command: CompletionCommand | None = None

    def incomplete_dir(self, base: Path, folder: Path) -> Path | None:
        """Where what is downloaded into `folder`, which is `base` or below it, is until it is complete."""
        return None if self.incomplete is None else self.incomplete / folder.relative_to(base)

    async def run_command(self, metainfo: Metainfo, path: str, report: Report) -> None:
        """Run the user's command, if there is one, and wait for it. That it fails is told, and ends nothing."""
        if self.command is None:
            return
        info_hash = str(metainfo.info_hash)
        code, problem = await _run(self.command.arguments(path, metainfo.name, info_hash), path, metainfo)
        await report.record("on_complete", info_hash=info_hash, exit_code=code, message=problem)
        if problem:
            report.say(f"magnetite: --on-complete: {self.command.words[0]}: {problem}")


NOTHING_SPECIAL = Finishing()


async def _run(arguments: list[str], path: str, metainfo: Metainfo) -> tuple[int | None, str]:
    """The command's exit code, None where it could not be run; and what went wrong, for people."""
    environment = {
        **os.environ,
        "MAGNETITE_PATH": path,
        "MAGNETITE_NAME": metainfo.name,
        "MAGNETITE_INFOHASH": str(metainfo.info_hash),
    }
    try:
        ended = await trio.run_process(
            arguments,
            stdin=b"",
            stdout=sys.stderr.fileno(),  # standard output is for results
            env=environment,
            check=False,
        )
    except OSError as error:
        return None, error.strerror or str(error)
    return ended.returncode, f"ended with {ended.returncode}" if ended.returncode else ""


@contextmanager
def blaming_the_disk(download: Download) -> Iterator[None]:
    """Who interrupts a download that waits for the disk is told of the disk. Raises StorageError then, in a group."""
    try:
        yield
    except* trio.Cancelled:
        paused = download.progress().paused
        if paused is None or paused[0] is Reason.PAUSED_BY_USER:
            raise
        raise StorageError(paused[1], paused[0]) from None


def finishing_options(command: Callable[..., None]) -> Callable[..., None]:
    """`--incomplete-dir`, `--preallocate` and `--on-complete`; the command gets `finishing`."""

    @click.option(
        "--incomplete-dir",
        "incomplete",
        type=click.Path(file_okay=False, path_type=Path),
        metavar="DIR",
        help="Folder to download into; what is complete is moved to --dir.",
    )
    @click.option(
        "--preallocate", is_flag=True, help="Take a file's whole room on the disk when it is begun, not as it grows."
    )
    @click.option(
        "--on-complete",
        callback=lambda _context, _parameter, text: None if text is None else parse_command(text),
        metavar="COMMAND",
        help="Run this when it is complete, without a shell; {path}, {name} and {infohash} stand for what it is.",
    )
    @wraps(command)
    def wrapped(
        *args: Any, incomplete: Path | None, preallocate: bool, on_complete: CompletionCommand | None, **options: Any
    ) -> None:
        command(*args, finishing=Finishing(incomplete, preallocate, on_complete), **options)

    return wrapped


def parse_command(text: str) -> CompletionCommand:
    """Split what was typed as a shell would. Raises BadParameter."""
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise click.BadParameter(f"{text!r}: {error}") from None
    if not words:
        raise click.BadParameter("an empty command")
    return CompletionCommand(tuple(words))
