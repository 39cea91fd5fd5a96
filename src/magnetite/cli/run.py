"""How every verb is run: signals end it cleanly, errors become a message and an exit status."""

from __future__ import annotations

import gc
import logging
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import NoReturn, TypeAlias

import trio

from magnetite.cli.exit_codes import ExitCode, exit_code
from magnetite.cli.report import Report
from magnetite.errors import MagnetiteError, Reason
from magnetite.version import VERSION

COLLECT_AFTER = (20_000, 10, 20)  # allocations, and so on; with the usual 700 a download takes up to a tenth more time
DRAIN = 1.0  # seconds that a slow reader of our output may take at the end

Verb: TypeAlias = Callable[[Report], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Ending:
    """How a run ended. `message` is for people, and empty where there is nothing to explain."""

    reason: Reason
    message: str = ""
    code: ExitCode = ExitCode.DONE


INTERRUPTED = Ending(Reason.INTERRUPTED, "interrupted", ExitCode.INTERRUPTED)


def run(verb: Verb, *, as_json: bool = False, verbosity: int = 0, serves: bool = False) -> NoReturn:
    """Run `verb` to its end and exit with its code.

    A verb that `serves` until it is stopped has done its work when SIGTERM comes: that is code 0.
    """
    gc.freeze()  # all that was imported stays: nobody need look through it for garbage
    gc.set_threshold(*COLLECT_AFTER)
    report = Report(as_json=as_json)
    _start_logging(report, verbosity)
    try:
        ending = trio.run(_conduct, verb, report, serves)
    except* MagnetiteError as group:  # of the output itself: the verb's are dealt with already
        ending = _failure(group)
        report.say(f"magnetite: {ending.message}")
    except* BrokenPipeError:
        ending = Ending(Reason.CONNECTION_LOST, code=ExitCode.BROKEN_PIPE)
    except* KeyboardInterrupt:  # before there was anybody to listen for signals, or when it was over
        ending = INTERRUPTED
    finally:
        report.close()
    sys.exit(ending.code)


async def _conduct(verb: Verb, report: Report, serves: bool) -> Ending:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(report.print_events)
        await report.record("started", version=VERSION)
        try:
            ending = await _until_signal(verb, report, serves)
        except* MagnetiteError as group:
            ending = _failure(group)
        with trio.move_on_after(DRAIN):
            await report.finish()
            await report.record(
                "finished", reason=ending.reason.name.lower(), exit_code=int(ending.code), message=ending.message
            )
        if ending.message:
            report.say(f"magnetite: {ending.message}")
        nursery.cancel_scope.cancel()
    return ending


async def _until_signal(verb: Verb, report: Report, serves: bool) -> Ending:
    """Run the verb until it ends, or until SIGINT or SIGTERM; whatever it has to save is saved on the way out."""
    caught: list[int] = []

    async def watch(task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
            task_status.started()
            async for number in signals:
                if caught:
                    _quit_at_once(report, number)
                caught.append(number)
                scope.cancel()

    async with trio.open_nursery() as nursery:
        scope = trio.CancelScope()
        await nursery.start(watch)
        with scope:
            await verb(report)
        nursery.cancel_scope.cancel()
    if not scope.cancelled_caught:
        return Ending(Reason.DONE)
    if caught[0] == signal.SIGINT:
        return INTERRUPTED
    return Ending(Reason.SHUTTING_DOWN, "", ExitCode.DONE if serves else ExitCode.TERMINATED)


def _quit_at_once(report: Report, number: int) -> NoReturn:
    """The second signal: nothing is saved any more, only the terminal is put right."""
    report.close()
    os._exit(128 + number)


def _start_logging(report: Report, verbosity: int) -> None:
    level = (logging.WARNING, logging.INFO, logging.DEBUG)[min(verbosity, 2)]
    logging.basicConfig(level=level, handlers=[report.log_handler()], force=True)


def _failure(group: BaseExceptionGroup[MagnetiteError]) -> Ending:
    """One failure ends a verb; the others in its group come of tasks that met the same."""
    error = group.exceptions[0]
    if isinstance(error, BaseExceptionGroup):
        return _failure(error)
    return Ending(error.reason, str(error), exit_code(error.reason))
