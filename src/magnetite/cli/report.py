"""What a verb says: results on standard output, as text or as JSON lines; everything else on standard error."""

from __future__ import annotations

import json
import logging
import os
import select
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from functools import partial

import trio

from magnetite.background import background
from magnetite.cli.screen import open_screen
from magnetite.cli.status import Status
from magnetite.events import SCHEMA_VERSION, Event, as_record
from magnetite.hub import READER_LIMIT, EventReader
from magnetite.storage.failures import storage_error

REDRAW_EVERY = 0.125  # seconds


class Report:
    """One a run of the program.

    Whoever reads a pipe slowly must not stop the client: events wait in a bounded queue for the task that runs
    `print_events`, and what does not fit into the pipe is written in a thread. Results are never dropped; the verb
    waits for them instead.
    """

    def __init__(self, *, as_json: bool) -> None:
        self.as_json = as_json
        self._screen = open_screen(sys.stderr)
        self._events = EventReader(READER_LIMIT)
        self._unwritten: list[bytes] = []
        self._printing = trio.Lock()
        self._printed = trio.Event()

    def observe(self, event: Event) -> None:
        """An event of the client, for `--json`."""
        if self.as_json:
            self._events.put(event)

    async def result(self, text: str, event: str, **fields: object) -> None:
        """Something the user asked for: `text` for people, an `event` with `fields` for scripts.

        Raises BrokenPipeError where nobody reads any more, and StorageError where the output cannot be written.
        """
        if self.as_json:
            await self._print_record({"v": SCHEMA_VERSION, "event": event, **fields})
        elif sys.stdout.isatty():
            self._screen.say(text)  # above the bar
        else:
            await self._print(text)

    async def record(self, event: str, **fields: object) -> None:
        """A line for scripts only."""
        if self.as_json:
            await self._print_record({"v": SCHEMA_VERSION, "event": event, **fields})

    @property
    def has_terminal(self) -> bool:
        """Whether somebody may be looking at what is said."""
        return sys.stderr.isatty()

    def log_handler(self) -> logging.Handler:
        """What writes the log where remarks go."""
        return self._screen.log_handler()

    def say(self, text: str) -> None:
        """A remark for people, on standard error."""
        self._screen.say(text)

    @asynccontextmanager
    async def showing(self, status: Callable[[], Status]) -> AsyncIterator[None]:
        """Keep the screen up to date while the block runs."""

        async def redraw() -> None:
            while True:
                self._screen.show(status(), trio.current_time())
                await trio.sleep(REDRAW_EVERY)

        async with background() as nursery:
            nursery.start_soon(redraw)
            try:
                yield
            finally:
                self._screen.show(status(), trio.current_time())

    async def print_events(self) -> None:
        """Print what `observe` takes in, until `finish`. Raises as `result`."""
        async for event in self._events:
            batch = [event, *self._events.take_waiting()]
            await self._print(*(json.dumps(as_record(each)) for each in batch))
        self._printed.set()

    async def finish(self) -> None:
        """Returns when the events so far are printed; there will be no more."""
        self._events.close()
        await self._printed.wait()

    def close(self) -> None:
        """Leave the terminal as it was."""
        self._screen.close()

    async def _print_record(self, record: Mapping[str, object]) -> None:
        await self._print(json.dumps(record))

    async def _print(self, *lines: str) -> None:
        """Returns when they are written. Whoever's turn it is writes what has come from others, too.

        What the reader has room for is written at once, for a thread's turn may be long in coming in a busy client.
        """
        self._unwritten += ((line + "\n").encode(errors="replace") for line in lines)
        async with self._printing:
            data, self._unwritten = b"".join(self._unwritten), []
            rest = _write_what_fits(sys.stdout.fileno(), data)
            if rest:
                await trio.to_thread.run_sync(partial(_write, sys.stdout.fileno(), rest), abandon_on_cancel=True)


def _write_what_fits(descriptor: int, data: bytes) -> bytes:
    """Write as much as can be written without waiting; what is left."""
    room = select.poll()
    room.register(descriptor, select.POLLOUT)
    with _naming_output():
        while data and room.poll(0):
            data = data[os.write(descriptor, data[: select.PIPE_BUF]) :]  # so much never waits once there is room
    return data


def _write(descriptor: int, data: bytes) -> None:
    """All of it, past Python's buffers: a thread that waits here must not hold their lock when the program ends."""
    left = memoryview(data)
    with _naming_output():
        while left:
            left = left[os.write(descriptor, left) :]


@contextmanager
def _naming_output() -> Iterator[None]:
    """Turn what the system says of standard output into StorageError, a closed pipe excepted."""
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        raise storage_error(error, "standard output") from error
