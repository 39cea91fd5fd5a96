"""A study as a file: its question, what it measures, its parameters in two sizes, its figures and its verdict."""

from __future__ import annotations

import ast
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import sha1
from inspect import iscoroutinefunction, signature
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from magnetite.errors import StudyError
from magnetite.study.running import Measure
from magnetite.study.trace import Plain

if TYPE_CHECKING:
    import pandas

    from magnetite.study.figures import Figures

Setup: TypeAlias = Mapping[str, Plain | list[Plain] | tuple[Plain, ...]]
"""Parameters of `measure` by name; a list is swept over. `seeds` is how many runs of each there are, 1 if not given."""

FOLDER: Final = "simulations"
TAKEN: Final = frozenset({"seed", "seeds", "study", "trace", "clock"})  # names that a run has for itself


@dataclass(frozen=True, slots=True)
class Source:
    """A study's file, as it travels to where it is run."""

    name: str
    path: str
    text: str
    typed: str  # what names it on the command line

    @property
    def digest(self) -> str:
        """Changes with every character of the file, and nothing else."""
        return sha1(self.text.encode()).hexdigest()[:12]


@dataclass(frozen=True, slots=True)
class Study:
    """What a study's file defines, under these names; `figures` and `verdict` may be missing.

    `figures(data)` makes tables and plots of all rows, a pandas frame with the columns `seed`, the parameters and what
    was recorded. `verdict(data)` says of each claim, a sentence, whether it held.
    """

    source: Source
    question: str  # the first line of its docstring
    text: str  # the whole of it
    measure: Measure
    full: Setup
    small: Setup
    figures: Callable[[pandas.DataFrame], Figures] | None
    verdict: Callable[[pandas.DataFrame], Mapping[str, bool]] | None

    @property
    def name(self) -> str:
        return self.source.name

    @property
    def parameters(self) -> list[str]:
        """What `measure` takes besides the world."""
        return list(signature(self.measure).parameters)[1:]


def folders() -> list[Path]:
    """Where studies are looked for by name: here, and where those of magnetite itself are, installed or checked out."""
    package = Path(__file__).parent.parent
    found = [Path(FOLDER), package / FOLDER, package.parent.parent / FOLDER]
    return [folder for folder in found if folder.is_dir()]


def find(name: str) -> Source:
    """The file of a study: a path, or a name. Raises StudyError if there is none."""
    if name.endswith(".py") or "/" in name:
        return read(Path(name), name)
    path = names().get(name)
    if path is None:
        raise StudyError(f"there is no study {name!r}; `magnetite simulate --list` names those there are")
    return read(path, name)


def names() -> dict[str, Path]:
    """All studies that can be found by name, in order."""
    found: dict[str, Path] = {}
    for folder in folders():
        for path in sorted(folder.glob("[!_]*.py")):
            found.setdefault(path.stem, path)
    return dict(sorted(found.items()))


def read(path: Path, typed: str) -> Source:
    """Raises StudyError."""
    try:
        return Source(path.stem, str(path), path.read_text(encoding="utf-8"), typed)
    except FileNotFoundError as error:
        raise StudyError(f"{path}: there is no such file; `magnetite simulate --list` names the studies") from error
    except (OSError, UnicodeDecodeError) as error:
        raise StudyError(f"{path}: cannot be read: {error}") from error


def question_of(source: Source) -> str:
    """The study's question, without running its file. Raises StudyError where it is no Python."""
    return (ast.get_docstring(_parsed(source)) or "").partition("\n")[0]


def load(source: Source) -> Study:
    """Run the file, and take what it defines. Raises StudyError if it is no study, and whatever it raises itself."""
    module = ModuleType(f"study_{source.name}", source.name)
    module.__file__ = source.path
    sys.modules[module.__name__] = module  # dataclasses look there for what their annotations mean
    exec(compile(_parsed(source), source.path, "exec"), module.__dict__)
    return of_module(module, source)


def _parsed(source: Source) -> ast.Module:
    try:
        return ast.parse(source.text, source.path)
    except (SyntaxError, ValueError) as error:  # ValueError: a NUL
        raise StudyError(f"{source.path}: {_place(error)}{error.args[0]}") from error


def _place(error: Exception) -> str:
    return f"line {error.lineno}: " if isinstance(error, SyntaxError) else ""


def of_module(module: ModuleType, source: Source) -> Study:
    """The study that a module is. Raises StudyError that says what it lacks."""
    named: dict[str, Any] = {name: getattr(module, name, None) for name in ("measure", "FULL", "SMALL")}
    if not iscoroutinefunction(named["measure"]):
        raise StudyError(f"{source.path}: is no study: it has no `async def measure(world, ...)`")
    for name in ("FULL", "SMALL"):
        if not isinstance(named[name], Mapping):
            raise StudyError(f"{source.path}: is no study: it has no {name} = {{parameter: value, ...}}")
    text = (module.__doc__ or "").strip()
    study = Study(
        source=source,
        question=text.partition("\n")[0],
        text=text,
        measure=named["measure"],
        full=named["FULL"],
        small=named["SMALL"],
        figures=getattr(module, "figures", None),
        verdict=getattr(module, "verdict", None),
    )
    taken = TAKEN.intersection(study.parameters)
    if taken:
        raise StudyError(f"{source.path}: no parameter can be called {', '.join(sorted(taken))}")
    for setup in (study.full, study.small):
        check(study, setup)
    return study


def check(study: Study, setup: Setup) -> None:
    """Raises StudyError for parameters that the study does not have."""
    unknown = setup.keys() - {*study.parameters, "seeds"}
    if unknown:
        known = ", ".join(study.parameters) or "none"
        raise StudyError(f"{study.name} has no parameter {', '.join(sorted(unknown))}; there are: {known}")
