"""Tiny TIFFs made by hand: each byte order, classic and BigTIFF, directories first or between the pictures."""

import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field

_FORMS = {3: "H", 4: "I", 16: "Q"}
_WIDTH, _LENGTH, _BITS, _COMPRESSION, _PHOTOMETRIC, _SAMPLES, _ROWS = 256, 257, 258, 259, 262, 277, 278
_OFFSETS, _COUNTS = 273, 279
DEFLATE = 8

Tags = dict[int, list[int]]


@dataclass(frozen=True)
class MadeFrame:
    """One frame: the tags of its directory, and its one strip."""

    tags: Tags
    strip: bytes


def grey_frame(level: int, width: int = 40, height: int = 30, compression: int = 1, **more: list[int]) -> MadeFrame:
    """A frame of one shade of grey.

    Args:
        level: 0 to 255.
        width: in pixels.
        height: the same.
        compression: 1, or `DEFLATE`.
        more: further tags, or others: `t254=[1]`.
    """
    strip = bytes([level]) * (width * height)
    tags = {
        _WIDTH: [width],
        _LENGTH: [height],
        _BITS: [8],
        _COMPRESSION: [compression],
        _PHOTOMETRIC: [1],
        _SAMPLES: [1],
        _ROWS: [height],
    }
    tags.update({int(name[1:]): values for name, values in more.items()})
    return MadeFrame(tags, zlib.compress(strip) if compression == DEFLATE else strip)


@dataclass
class _Writer:
    order: str
    big: bool
    out: bytearray = field(default_factory=bytearray)
    link: int = 0

    @property
    def offset(self) -> str:
        return self.order + ("Q" if self.big else "I")

    def header(self) -> None:
        self.out += b"II" if self.order == "<" else b"MM"
        self.out += struct.pack(self.order + "HHH", 43, 8, 0) if self.big else struct.pack(self.order + "H", 42)
        self.link = len(self.out)
        self.out += struct.pack(self.offset, 0)

    def directory(self, tags: Tags, at: int) -> tuple[bytes, int]:
        """A directory that is to stand at a place, and where in the file its link to the next one is."""
        room = struct.calcsize(self.offset)
        table, beyond = struct.pack(self.order + ("Q" if self.big else "H"), len(tags)), b""
        end = at + len(table) + len(tags) * (4 + 2 * room) + room
        for tag, values in sorted(tags.items()):
            kind = 4 if tag in {_OFFSETS, _COUNTS} else 3
            packed = b"".join(struct.pack(self.order + _FORMS[kind], value) for value in values)
            table += struct.pack(self.order + "HH", tag, kind) + struct.pack(self.offset, len(values))
            if len(packed) <= room:
                table += packed.ljust(room, b"\0")
            else:
                table += struct.pack(self.offset, end + len(beyond))
                beyond += packed
        return table + struct.pack(self.offset, 0) + beyond, at + len(table)

    def link_to(self, place: int, next_link: int) -> None:
        struct.pack_into(self.offset, self.out, self.link, place)
        self.link = next_link


def tiff_of(
    frames: Sequence[MadeFrame],
    *,
    order: str = "<",
    big: bool = False,
    directories_first: bool = False,
    last_link: int | None = None,
) -> bytes:
    """A TIFF file.

    Args:
        frames: in order.
        order: `<` or `>`.
        big: a BigTIFF.
        directories_first: all directories stand before the first picture; else each one after its own.
        last_link: where the last directory leads, instead of to the end; negative counts from the end of the file.
    """
    writer = _Writer(order, big)
    writer.header()
    room = sum(len(writer.directory(_with_strip(frame, 0), 0)[0]) for frame in frames)
    strips = len(writer.out) + room
    for frame in frames:
        if not directories_first:
            strips = len(writer.out)
            writer.out += frame.strip
        place = len(writer.out)
        content, next_link = writer.directory(_with_strip(frame, strips), place)
        writer.link_to(place, next_link)
        writer.out += content
        strips += len(frame.strip)
    if directories_first:
        for frame in frames:
            writer.out += frame.strip
    if last_link is not None:
        writer.link_to(last_link % (1 << 32), 0)
    return bytes(writer.out)


def _with_strip(frame: MadeFrame, place: int) -> Tags:
    return {_OFFSETS: [place], _COUNTS: [len(frame.strip)]} | frame.tags
