"""What is put away on a disk says what it is, in which version, and whether it is whole."""

from zlib import crc32

from surge_exporter.snapshot import StateFault


class StateError(ValueError):
    """Something saved that cannot be used, and why."""

    def __init__(self, fault: StateFault, message: str) -> None:
        super().__init__(message)
        self.fault = fault


def sealed(kind: bytes, version: int, body: bytes) -> bytes:
    """Return a body behind a header line with its kind, version and checksum."""
    return b"%s %d %08x\n%s\n" % (kind, version, crc32(body), body)


def unsealed(kind: bytes, version: int, data: bytes) -> bytes:
    """Return the body.

    Raises:
        StateError: it is of another kind or version, or damaged.
    """
    header, _, rest = data.partition(b"\n")
    fields = header.removeprefix(kind).split()
    if not header.startswith(kind) or len(fields) != 2:  # noqa: PLR2004 - version, checksum
        expected = f"expected a file that begins with {kind.decode()!r}"
        raise StateError(StateFault.CORRUPT, f"{expected}, got {header[:40]!r}")
    found_version, checksum = fields
    if found_version != b"%d" % version:
        expected = f"expected version {version}, got {found_version.decode(errors='replace')}"
        raise StateError(StateFault.VERSION, expected)
    body = rest.removesuffix(b"\n")
    if checksum != b"%08x" % crc32(body):
        raise StateError(StateFault.CORRUPT, "expected the checksum of its header, got another")
    return body
