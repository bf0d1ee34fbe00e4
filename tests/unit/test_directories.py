"""Fingerprints of directories: the same for each reader of one, different for any two others."""

import re
from collections.abc import Set as AbstractSet
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from surge_exporter.model import Source
from surge_exporter.runtime import directories
from surge_exporter.runtime.directories import (
    LOOK_EVERY_SECONDS,
    MOST_DIRECTORIES,
    Directories,
    fingerprints_of,
)
from surge_exporter.runtime.tail import Tail
from tests.fakes import FakeClock
from tests.tailing import HookedFiles


@pytest.fixture(autouse=True)
def boot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Be a kernel that was booted once."""
    boot_id = tmp_path / "boot_id"
    boot_id.write_text("aec11dcd-e356-442f-a561-4834b590263e\n", encoding="ascii")
    monkeypatch.setattr(directories, "_BOOT_ID", boot_id)
    return boot_id


def folder(path: Path) -> str:
    path.mkdir()
    return str(path)


def mounted(monkeypatch: pytest.MonkeyPatch, where: Path, kind: str, device: str) -> None:
    """Let a folder be where a file system is mounted."""
    mounts = [
        SimpleNamespace(mountpoint="/", fstype="ext4", device="/dev/vda"),
        SimpleNamespace(mountpoint=str(where), fstype="autofs", device="systemd-1"),
        SimpleNamespace(mountpoint=str(where), fstype=kind, device=device),
    ]
    monkeypatch.setattr(psutil, "disk_partitions", lambda **_: mounts)


def test_a_fingerprint_is_twelve_digits_that_say_nothing_of_the_path(tmp_path: Path) -> None:
    (found,) = fingerprints_of({folder(tmp_path / "logs")})

    assert re.fullmatch(r"[0-9a-f]{12}", found)


def test_every_path_to_a_directory_gives_the_same_fingerprint(tmp_path: Path) -> None:
    real = folder(tmp_path / "logs")
    (tmp_path / "link").symlink_to("logs")
    paths = [real, f"{real}/", f"{tmp_path}/./logs", str(tmp_path / "link")]

    assert len({fingerprints_of({path}) for path in paths}) == 1
    assert len(fingerprints_of(set(paths))) == 1


def test_a_renamed_directory_is_still_the_same_and_one_in_its_place_is_not(tmp_path: Path) -> None:
    path = tmp_path / "logs"
    before = fingerprints_of({folder(path)})
    path.rename(tmp_path / "logs.old")

    assert fingerprints_of({str(tmp_path / "logs.old")}) == before
    assert fingerprints_of({folder(path)}) != before


def test_another_kernel_has_other_fingerprints(tmp_path: Path, boot: Path) -> None:
    here = fingerprints_of({str(tmp_path)})
    boot.write_text("b7b0c2f7-98b1-4f5e-8f3e-0d8b8a1f7f11\n", encoding="ascii")

    assert fingerprints_of({str(tmp_path)}) != here


def test_without_a_boot_id_the_name_of_the_host_stands_for_it(tmp_path: Path, boot: Path) -> None:
    boot.unlink()

    assert len(fingerprints_of({str(tmp_path)})) == 1


def test_a_directory_that_cannot_be_read_is_left_out(tmp_path: Path) -> None:
    here = folder(tmp_path / "here")

    assert fingerprints_of({str(tmp_path / "nowhere"), "/a\0b", f"{tmp_path}/*"}) == ()
    assert fingerprints_of({str(tmp_path / "nowhere"), here}) == fingerprints_of({here})


def test_a_table_of_mounts_that_cannot_be_read_leaves_out_what_needs_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(**_: object) -> None:
        raise PermissionError

    monkeypatch.setattr(psutil, "disk_partitions", refuse)

    assert fingerprints_of({str(tmp_path)}) == ()


@pytest.mark.parametrize(
    ("kind", "device", "is_shared"),
    [
        ("nfs4", "filer:/export/logs", True),
        ("cifs", "//filer/logs", True),
        ("ceph", "10.0.0.1:6789:/logs", True),
        ("fuse.sshfs", "me@filer:/logs", True),
        ("fuse.s3fs", "s3fs", False),
        ("9p", "share0", False),
        ("ext4", "/dev/vda", False),
        ("zfs", "tank:logs", False),
    ],
)
def test_a_servers_directory_is_the_same_on_every_host_if_the_mount_says_whose_it_is(
    tmp_path: Path,
    boot: Path,
    monkeypatch: pytest.MonkeyPatch,
    kind: str,
    device: str,
    *,
    is_shared: bool,
) -> None:
    logs = folder(tmp_path / "logs")
    mounted(monkeypatch, tmp_path.resolve(), kind, device)
    here = fingerprints_of({logs})
    boot.write_text("b7b0c2f7-98b1-4f5e-8f3e-0d8b8a1f7f11\n", encoding="ascii")

    assert (fingerprints_of({logs}) == here) is is_shared


def test_directories_of_two_servers_differ(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = []
    for server in ("a", "b"):
        mounted(monkeypatch, tmp_path.resolve(), "nfs", f"{server}:/export")
        found.append(fingerprints_of({str(tmp_path)}))

    assert found[0] != found[1]


def test_of_many_directories_two_readers_show_the_same_ones(tmp_path: Path) -> None:
    paths = [folder(tmp_path / f"{n:03}") for n in range(MOST_DIRECTORIES + 20)]

    found = fingerprints_of(set(paths))

    assert len(found) == MOST_DIRECTORIES
    assert found == tuple(sorted(found)) == fingerprints_of(set(paths))


def test_directories_are_looked_at_once_a_minute_and_when_there_are_others() -> None:
    clock, looks = FakeClock(), list[AbstractSet[str]]()

    def look(paths: AbstractSet[str]) -> tuple[str, ...]:
        looks.append(paths)
        return (str(len(looks)),)

    kept, paths = Directories(clock, look=look), {Source.REQUESTS: {"/a"}}

    assert kept.fingerprints(paths) == kept.fingerprints(paths) == {Source.REQUESTS: ("1",)}
    paths[Source.REQUESTS].add("/b")
    assert kept.fingerprints(paths) == {Source.REQUESTS: ("2",)}
    clock.advance(LOOK_EVERY_SECONDS - 1)
    assert kept.fingerprints(paths) == {Source.REQUESTS: ("2",)}
    clock.advance(1)
    assert kept.fingerprints(paths) == {Source.REQUESTS: ("3",)}
    assert looks == [{"/a"}, {"/a", "/b"}, {"/a", "/b"}]


def test_each_source_has_the_directories_its_patterns_lead_to(tmp_path: Path) -> None:
    days = [folder(tmp_path / day) for day in ("monday", "tuesday", "empty")]
    beats = folder(tmp_path / "heartbeat")
    for day in days[:2]:
        Path(day, "requests.jsonl").write_bytes(b"{}\n")
    patterns = {
        Source.REQUESTS: (f"{tmp_path}/*day/*.jsonl",),
        Source.HEARTBEAT: (f"{beats}/*.jsonl",),
    }
    tail = Tail(
        HookedFiles(), FakeClock(), patterns, window_seconds=60.0, timestamps=lambda *_: ()
    )

    list(tail.poll())
    tail.measure()
    tail.close()

    assert tail.counts[Source.REQUESTS].directories == fingerprints_of(set(days[:2]))
    assert tail.counts[Source.HEARTBEAT].directories == fingerprints_of({beats})
    assert tail.directories == {*days[:2], beats, f"{tmp_path}/*day"}
