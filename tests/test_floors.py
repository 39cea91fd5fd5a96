"""The house has floors: a file imports from lower ones, or from its own folder, and nothing else.

Floor 1 is pure: it neither waits, nor opens sockets, nor looks at a clock, nor draws randomness that it was not given.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

SRC = Path(__file__).parent.parent / "src"
PACKAGE = "magnetite"

# The floor of a module is that of its longest prefix here; `magnetite.` is left out.
FLOORS = {
    "errors": 0,
    "ids": 0,
    "endpoint": 0,
    "bencoding": 0,
    "crc32c": 0,
    "events": 0,
    "pacer": 0,
    "version": 0,
    "ways": 0,
    "net.lsd.announcement": 1,
    "net.lsd.rounds": 1,
    "net.portmap.epoch": 1,
    "net.portmap.mapping": 1,
    "net.portmap.natpmp": 1,
    "net.portmap.pcp": 1,
    "net.portmap.refusal": 1,
    "net.base": 0,  # the seam itself: names and types that every floor may mention
    "torrent": 1,
    "wire": 1,
    "dht": 1,
    "swarm": 1,
    "background": 2,
    "hub": 2,
    "sleeper": 2,
    "net": 2,
    "net.utp": 1,
    "net.utp.port": 2,
    "net.utp.shared": 2,
    "net.utp.stream": 2,
    "net.utp.utp": 2,
    "storage": 2,
    "simnet": 2,
    "simnet.block": 1,
    "simnet.churn": 1,
    "simnet.congestion": 1,
    "simnet.disk": 3,
    "simnet.incidents": 3,
    "simnet.links": 1,
    "simnet.nat": 1,
    "dht.node": 3,
    "dht.crawler": 3,
    "dht.joining": 3,
    "dht.peer_search": 3,
    "dht.presence": 3,
    "dht.state_file": 3,
    "dht.stored_items": 3,
    "swarm.commit_queue": 3,
    "swarm.connection": 3,
    "swarm.dialling": 3,
    "swarm.greeting": 3,
    "swarm.race": 3,
    "swarm.disk": 3,
    "swarm.keeper": 3,
    "swarm.landing": 3,
    "swarm.membership": 3,
    "swarm.reader": 3,
    "swarm.reception": 3,
    "swarm.survey": 3,
    "swarm.swarm": 3,
    "client": 4,
    "discovery": 4,
    "download": 4,
    "opening": 4,
    "study": 5,
    "web": 5,
    "cli": 6,
    "__main__": 6,
    "": 6,  # magnetite/__init__.py: the public names
}

ROOF = 7  # where a module stays that was given no floor: nothing may import it, and a test complains

# Importer and imported that share a floor and not a folder, by first name.
NEIGHBOURS = {
    ("client", "discovery"),
    ("client", "download"),
    ("opening", "client"),
    ("bencoding", "errors"),
    ("endpoint", "errors"),
    ("events", "endpoint"),
    ("events", "errors"),
    ("events", "ids"),
    ("events", "ways"),
    ("net", "background"),
    ("net", "endpoint"),
    ("simnet", "sleeper"),
    ("swarm", "torrent"),
    ("swarm", "wire"),
    ("wire", "torrent"),
    ("__main__", "cli"),
}
STRANGERS = {("dht", "swarm"), ("swarm", "dht")}  # only client joins them
IMPURE = {"trio", "socket", "time", "random", "asyncio", "threading", "secrets", "datetime", "select", "ssl"}
CONVERSIONS = {"AF_INET", "AF_INET6", "inet_aton", "inet_ntoa", "inet_ntop", "inet_pton"}  # open no socket
MAY_BE_PURE = {("random", ""), ("random", "Random"), *(("socket", name) for name in CONVERSIONS)}
BANNED_CALLS = re.compile(r"(random\.)?(Random|SystemRandom)|random\..*|os\.(urandom|getrandom)|uuid\.uuid\d")


def modules() -> dict[str, ast.Module]:
    """Every module under src by its dotted name without `magnetite.`; the package itself is the empty name."""
    found = {}
    for path in sorted((SRC / PACKAGE).rglob("*.py")):
        parts = path.relative_to(SRC / PACKAGE).with_suffix("").parts
        found[".".join(part for part in parts if part != "__init__")] = ast.parse(path.read_text())
    return found


MODULES = modules()


def imports(tree: ast.Module) -> Iterator[tuple[str, str]]:
    """Every `(module, name)` a module imports, wherever in it; the name is empty for `import module`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, "") for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            yield from ((node.module or "", alias.name) for alias in node.names)


def own_imports(tree: ast.Module) -> Iterator[str]:
    """The modules of magnetite that a module imports, `magnetite.` left out."""
    for module, name in imports(tree):
        if module.split(".")[0] == PACKAGE:
            inner = module.removeprefix(PACKAGE).removeprefix(".")
            whole = f"{inner}.{name}".strip(".")
            yield whole if whole in MODULES else inner


def floor(module: str) -> int:
    while module not in FLOORS and "." in module:
        module = module.rpartition(".")[0]
    return FLOORS.get(module, ROOF)


def is_allowed(importer: str, imported: str) -> bool:
    first = importer.split(".")[0], imported.split(".")[0]
    if first in STRANGERS:
        return False
    if first[1] == "simnet" and first[0] not in ("simnet", "study"):
        return False  # a production file that knows the simulation would be tested against itself
    if floor(imported) < floor(importer):
        return True
    return floor(imported) == floor(importer) and (first[0] == first[1] or first in NEIGHBOURS)


def is_pure(module: str) -> bool:
    return floor(module) <= 1


def test_every_module_has_a_floor() -> None:
    assert not [module for module in MODULES if floor(module) == ROOF]


@pytest.mark.parametrize("module", MODULES)
def test_a_module_imports_from_below_it_or_from_its_own_folder(module: str) -> None:
    wrong = [imported for imported in own_imports(MODULES[module]) if not is_allowed(module, imported)]
    assert not wrong, f"{module or PACKAGE} is on floor {floor(module)} and may not import {wrong}"


@pytest.mark.parametrize("module", [module for module in MODULES if is_pure(module)])
def test_a_pure_module_neither_waits_nor_reads_clocks_nor_rolls_dice(module: str) -> None:
    wrong = [
        f"{source}.{name}".strip(".")
        for source, name in imports(MODULES[module])
        if source.split(".")[0] in IMPURE and (source, name) not in MAY_BE_PURE
    ]
    assert not wrong, f"{module} is pure and may not import {wrong}"


@pytest.mark.parametrize("module", [module for module in MODULES if is_pure(module)])
def test_a_pure_module_is_given_its_chance_and_makes_none(module: str) -> None:
    calls = [node.func for node in ast.walk(MODULES[module]) if isinstance(node, ast.Call)]
    wrong = [f"line {call.lineno}" for call in calls if BANNED_CALLS.fullmatch(ast.unparse(call))]
    assert not wrong, f"{module} is pure and may not make randomness: {wrong}"


@pytest.mark.parametrize("module", MODULES)
def test_the_clients_magnetite_is_compared_with_are_never_part_of_it(module: str) -> None:
    assert not [source for source, _ in imports(MODULES[module]) if source.split(".")[0] == "libtorrent"]


@pytest.mark.parametrize(
    ("importer", "imported"),
    [
        ("dht.lookup", "swarm.picker"),
        ("swarm.swarm", "dht.node"),
        ("dht.lookup", "dht.node"),
        ("wire.messages", "dht.messages"),
        ("torrent.pieces", "wire.messages"),
        ("wire.handshake", "net.tcp"),
        ("client", "simnet.fabric"),
        ("net.real", "storage.base"),
        ("storage.files", "simnet.fabric"),
        ("net.base", "net.real"),
        ("errors", "ids"),
    ],
)
def test_the_rules_refuse_what_they_are_there_to_refuse(importer: str, imported: str) -> None:
    assert not is_allowed(importer, imported)
