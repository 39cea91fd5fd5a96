from pathlib import PurePosixPath, PureWindowsPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from magnetite.errors import InvalidMetainfo
from magnetite.torrent.names import MAX_NAME, PARTIAL_SUFFIX, safe_name, safe_paths

NASTY = ["", ".", "..", "...", "a", "A", "a.part", "a.part.part", "a (2)", "a (2).part", "b", "B.TXT", "b.txt", "CON",
         "con.txt", "é", "e\u0301", "ß", "ss", "a/b", "../..", "C:", "x" * 300, "x" * 300 + "y", "x" * 300 + ".mkv",
         "nul .txt", "con." + "x" * 300, "con" + " " * 300 + "x.txt"]  # fmt: skip
names = st.sampled_from(NASTY) | st.text(max_size=12) | st.text("aA.() 2", max_size=8)
trees = st.lists(st.lists(names, min_size=1, max_size=3).map(tuple), min_size=1, max_size=25)


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("ordinary name.mkv", "ordinary name.mkv"),
        (".hidden", ".hidden"),
        ("日本語.txt", "日本語.txt"),
        ('What? 1:2 <3> "4" |*.mkv', 'What? 1:2 <3> "4" |*.mkv'),
        ("", "_"),
        (".", "_"),
        ("..", "_"),
        (". .", "_"),
        ("../../etc/passwd", ".._.._etc_passwd"),
        ("/etc/passwd", "_etc_passwd"),
        ("a\\b", "a_b"),
        ("C:", "C_"),
        ("c:\\windows", "c__windows"),
        ("a\0b\nc\x7f\x9b", "a_b_c__"),
        ("trailing. . ", "trailing"),
        ("CON", "_CON"),
        ("nul.txt", "_nul.txt"),
        ("Com1 .tar.gz", "_Com1 .tar.gz"),
        ("lpt¹", "_lpt¹"),
        ("CONSOLE", "CONSOLE"),
        ("com10", "com10"),
        ("photo\u202egpj.exe", "photo_gpj.exe"),
        ("\ud800", "_"),
    ],
)
def test_names_are_changed_only_where_they_must_be(name, safe):
    assert safe_name(name) == safe


@pytest.mark.parametrize(
    ("name", "start", "end"),
    [
        ("x" * 300 + ".mkv", "xxx", "xxx.mkv"),
        ("é" * 200 + ".mkv", "éé", "é.mkv"),
        ("x" * 300, "xxx", "xxx"),
        ("x" * 10 + "." + "y" * 300, "xxx", "yyy"),
        ("." + "y" * 300, ".yy", "yyy"),
    ],
)
def test_long_names_are_shortened_and_keep_their_extension(name, start, end):
    safe = safe_name(name)
    assert MAX_NAME - 3 <= len(safe.encode()) <= MAX_NAME
    assert safe.startswith(start)
    assert safe.endswith(end)


@given(st.text(max_size=300) | names)
def test_a_safe_name_is_one_component_anywhere_and_stays_as_it_is(name):
    safe = safe_name(name)
    assert safe not in ("", ".", "..")
    assert PurePosixPath(safe).parts == (safe,)
    assert PureWindowsPath("x", safe).parts[0] == "x"
    assert not PureWindowsPath(safe).is_reserved()
    assert not PureWindowsPath(safe).drive or ":" not in safe[:2]
    assert len((safe + PARTIAL_SUFFIX).encode()) <= 255
    assert safe.rstrip(". ") == safe
    assert safe_name(safe) == safe


def occupied(paths):
    """Every file's name and partial name, and every folder, as a file system that ignores case sees them."""
    files = [tuple(name.casefold() for name in path) for path in paths]
    partials = [(*path[:-1], path[-1] + PARTIAL_SUFFIX) for path in files]
    folders = {path[:depth] for path in files for depth in range(1, len(path))}
    return files, partials, folders


@given(trees)
def test_no_two_files_meet_on_a_file_system_that_ignores_case(paths):
    safe = safe_paths(paths)
    files, partials, folders = occupied(safe)
    assert len({*files, *partials}) == 2 * len(paths)
    assert folders.isdisjoint({*files, *partials})
    assert [len(path) for path in safe] == [len(path) for path in paths]
    assert all(safe_name(name) == name for path in safe for name in path)


@given(trees)
def test_safe_paths_are_the_same_every_time_and_stay_as_they_are(paths):
    safe = safe_paths(paths)
    assert safe_paths(paths) == safe
    assert safe_paths(safe) == safe


@pytest.mark.parametrize(
    ("paths", "safe"),
    [
        ([("a",), ("a",)], [("a",), ("a (2)",)]),
        ([("a.txt",), ("A.TXT",)], [("a.txt",), ("A (2).TXT",)]),
        ([("A", "x"), ("a", "y")], [("A", "x"), ("a", "y")]),
        ([("A", "x"), ("a", "x")], [("A", "x"), ("a", "x (2)")]),
        ([("a",), ("a", "x"), ("a", "y")], [("a",), ("a (2)", "x"), ("a (2)", "y")]),
        ([("a", "x"), ("a",)], [("a", "x"), ("a (2)",)]),
        ([("é",), ("e\u0301",)], [("é",), ("e\u0301 (2)",)]),
        ([("a",), ("a.part",)], [("a",), ("a (2).part",)]),
        ([("a.part",), ("a",)], [("a.part",), ("a (2)",)]),
        ([("a (2)",), ("a",), ("a",)], [("a (2)",), ("a",), ("a (3)",)]),
    ],
)
def test_a_colliding_name_gets_a_number(paths, safe):
    assert safe_paths(paths) == safe


def test_many_colliding_names_take_no_quadratic_time():
    count = 20_000  # quadratic would be minutes
    taken = [(f"a ({number})",) for number in range(2, count)]
    long = [("x" * 245 + f"{number:05}",) for number in range(count // 2) for _ in range(2)]
    safe = safe_paths([*taken, *[("a",)] * count, *long])
    assert len(set(safe)) == len(safe)


@pytest.mark.parametrize("path", [(), ("a",) * 65])
def test_paths_of_absurd_length_are_refused(path):
    with pytest.raises(InvalidMetainfo):
        safe_paths([path])
