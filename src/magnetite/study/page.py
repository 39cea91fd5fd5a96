"""What a sweep leaves for people: a page with the study's text, tables, pictures and verdict, and what they came of."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from magnetite.study.figures import Figures, Table
from magnetite.study.report import Report
from magnetite.study.study import Study

DPI: Final = 110  # of pictures; a page shows them some 800 pixels wide


def write_page(
    folder: Path, study: Study, reports: Sequence[Report], figures: Figures, verdict: Mapping[str, bool], command: str
) -> list[Path]:
    """Write NAME.md and NAME-1.png and so on; their paths. Raises OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    page = folder / f"{study.name}.md"
    parts: list[str] = []
    pictures: list[Path] = []
    for figure in figures:
        if isinstance(figure, Table):
            parts.append(f"{figure.title}:\n\n{figure.markdown()}")
        else:
            pictures.append(folder / f"{study.name}-{len(pictures) + 1}.png")
            figure.savefig(pictures[-1], dpi=DPI, metadata={"Software": None})
            parts.append(f"![{study.question}]({pictures[-1].name})")
    lines = [f"# {study.question}", _body(study), *parts, *_verdict(verdict), _origin(reports, command)]
    page.write_text("\n\n".join(line for line in lines if line) + "\n", encoding="utf-8")
    return [page, *pictures]


def _body(study: Study) -> str:
    """The study's docstring without its first line."""
    return study.text.partition("\n")[2].strip("\n")


def _verdict(verdict: Mapping[str, bool]) -> Iterator[str]:
    if verdict:
        yield "\n".join(f"- {'held' if held else '**did not hold**'}: {claim}" for claim, held in verdict.items())


def _origin(reports: Sequence[Report], command: str) -> str:
    seeds = sorted({report.seed for report in reports})
    names = dict.fromkeys(name for report in reports for name in report.versions)
    versions = ", ".join(f"{name} {_distinct(reports, name)}" for name in names)
    cpu, virtual = sum(report.cpu for report in reports), sum(report.virtual for report in reports)
    return (
        f"`{command}`: {len(reports)} runs, seeds {seeds[0]} to {seeds[-1]}; {cpu:,.0f} s of the processor for "
        f"{virtual:,.0f} s of virtual time; {versions}."
    )


def _distinct(reports: Sequence[Report], name: str) -> str:
    """One version, or those that runs of several days were made with: then they are not quite of one kind."""
    return " and ".join(dict.fromkeys(report.versions.get(name, "none") for report in reports))
