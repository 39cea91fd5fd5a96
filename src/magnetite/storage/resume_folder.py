"""Where resume data is kept between runs: one small file a torrent."""

from __future__ import annotations

from pathlib import Path

import trio

from magnetite.errors import StorageError
from magnetite.ids import InfoHash
from magnetite.storage.resume import ResumeData, load_resume, save_resume


class ResumeFolder:
    """Reads and replaces the files in threads: an fsync may take seconds."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def load(self, info_hash: InfoHash) -> ResumeData | None:
        """What was saved, None where nothing was or it is damaged. Raises StorageError if it cannot be read."""
        return await trio.to_thread.run_sync(load_resume, self._path(info_hash))

    async def save(self, resume: ResumeData) -> None:
        """Raises StorageError, which says that it is the state folder: what is downloaded goes elsewhere."""
        try:
            await trio.to_thread.run_sync(save_resume, self._path(resume.info_hash), resume)
        except StorageError as error:
            raise StorageError(f"the state folder: {error}", error.reason) from error

    def _path(self, info_hash: InfoHash) -> Path:
        return self._folder / f"{info_hash}.resume"
