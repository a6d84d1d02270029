"""Find the frames of a TIFF by its directories alone, so that a damaged frame does not hide the others.

A TIFF is a chain of directories (TIFF 6.0; BigTIFF), one per frame, each with the offset of the next. Pillow
follows it by decoding the tags of every frame, and stops at the first one that it does not support. This module
reads only the offset, size and kind of each directory; a frame that cannot be decoded fails when its page is read.
"""

import io
import struct
from dataclasses import dataclass
from typing import BinaryIO, cast

_NEW_SUBFILE_TYPE, _OLD_SUBFILE_TYPE, _WIDTH, _LENGTH = 254, 255, 256, 257
_REDUCED, _MASK = 0b001, 0b100
_OLD_REDUCED = 2
# Some programs write the version of a classic TIFF in the wrong byte order.
_CLASSIC, _BIG = (42, 42 << 8), 43
_HEADER_BYTES = 16
_SHORT, _LONG, _LONG8 = 3, 4, 16
# Tags are sorted by number, so the ones that are needed here are among the first.
_MAX_ENTRIES = 64
_MAX_FRAMES = 100_000


@dataclass(frozen=True, slots=True)
class Frame:
    """One directory of a TIFF.

    Attributes:
        offset: of the directory, in bytes.
        width, height: in pixels; 0 if the directory does not contain it.
        reduced: the directory marks the frame as a smaller version of another one.
        mask: the frame is a transparency mask of another one.
        empty: the directory has no entries. TIFF 6.0 requires at least one: these are zeros in place of lost data.
    """

    offset: int
    width: int = 0
    height: int = 0
    reduced: bool = False
    mask: bool = False
    empty: bool = False


@dataclass(frozen=True, slots=True)
class Tiff:
    """The directories of a TIFF.

    Attributes:
        frames: every directory of the chain, in order.
        broken: why the chain ends early; empty if it is complete.
    """

    frames: tuple[Frame, ...]
    broken: str = ""

    @property
    def pages(self) -> tuple[Frame, ...]:
        """The frames that are pages: neither masks nor smaller versions of a page."""
        whole = [frame for frame in self.frames if not frame.reduced and not frame.mask]
        if not whole:
            # If the chain is broken, the frames that these belong to come after the break.
            return () if self.broken else self.frames
        return tuple(frame for frame in self.frames if not _is_aside(frame, whole))

    @property
    def total_pages(self) -> int:
        """Number of pages in the file; everything after a break in the chain counts as one page."""
        return len(self.pages) + bool(self.broken)

    def frame_of(self, index: int, total_pages: int) -> Frame:
        """Return the frame of a page.

        Args:
            index: of the page within the file, from 0.
            total_pages: number of pages counted when the file was ingested. Earlier versions counted every frame,
                including thumbnails, and one page for a broken chain: the pages of such a book keep their numbers.

        Raises:
            ValueError: the page comes after a break in the chain, or the file has no such page.
        """
        frames = self.pages if total_pages == self.total_pages else self.frames
        if index < len(frames):
            return frames[index]
        raise ValueError(self.broken or f"it has no frame {index + 1}")


def walk_tiff(file: BinaryIO) -> Tiff | None:
    """Follow the chain of directories and return them; None for a file that is not a TIFF.

    Reads a few hundred bytes per frame, and at most 100,000 frames.

    Raises:
        OSError: the file cannot be read.
    """
    file.seek(0)
    form = _Form.of(file.read(_HEADER_BYTES))
    if form is None:
        return None
    end = file.seek(0, io.SEEK_END)
    frames: dict[int, Frame] = {}
    offset, broken = form.first, ""
    while offset and not broken:
        after = f"after frame {len(frames)}" if frames else "before the first frame"
        if offset in frames:
            broken = f"the chain of frames turns back {after}"
        elif len(frames) == _MAX_FRAMES:
            broken = f"it has more than {_MAX_FRAMES:,} frames"
        elif (found := form.read_directory(file, offset, end)) is None:
            broken = f"the chain of frames breaks off {after}: the file ends at byte {end:,}"
        elif found[0].empty and not found[1]:
            broken = f"the chain of frames breaks off {after}: there is nothing at byte {offset:,}"
        else:
            frames[offset] = found[0]
            offset = found[1]
    return Tiff(tuple(frames.values()), broken if frames or broken else "it has no frames")


def begin_with(file: BinaryIO, frame: Frame) -> BinaryIO:
    """Return a view of the TIFF whose chain of directories begins with the given frame.

    Pillow then decodes that frame regardless of the frames before it. The file must stay open.
    """
    return cast("BinaryIO", _TiffAt(file, frame))


class _TiffAt(io.RawIOBase):
    """A file whose header is replaced by one that points to a given frame."""

    def __init__(self, file: BinaryIO, frame: Frame) -> None:
        self._file = file
        file.seek(0)
        header = file.read(_HEADER_BYTES)
        form = _Form.of(header)
        self._header = header if form is None else form.header_with(header, frame.offset)
        file.seek(0)

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def read(self, size: int | None = -1, /) -> bytes:
        start = self._file.tell()
        data = self._file.read(-1 if size is None else size)
        if start >= len(self._header):
            return data
        return (self._header[start:] + data[len(self._header) - start :])[: len(data)]

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()

    def fileno(self) -> int:
        # libtiff reads from the descriptor of the file, at the offset that Pillow passes.
        return self._file.fileno()


@dataclass(frozen=True, slots=True)
class _Form:
    """How numbers are stored in a file.

    Attributes:
        order: byte order, `<` or `>` as in `struct`.
        big: whether offsets have 64 bits, as in BigTIFF.
        first: offset of the first directory.
    """

    order: str
    big: bool
    first: int

    @classmethod
    def of(cls, header: bytes) -> "_Form | None":
        order = {b"II": "<", b"MM": ">"}.get(header[:2])
        if order is None or len(header) < 8:  # noqa: PLR2004  # no room for an offset
            return None
        [version] = struct.unpack_from(f"{order}H", header, 2)
        if version in _CLASSIC:
            return cls(order, big=False, first=struct.unpack_from(f"{order}I", header, 4)[0])
        if version == _BIG and len(header) == _HEADER_BYTES:
            return cls(order, big=True, first=struct.unpack_from(f"{order}Q", header, 8)[0])
        return None

    def header_with(self, header: bytes, first: int) -> bytes:
        """Return the header with another first directory."""
        if self.big:
            return header[:8] + struct.pack(f"{self.order}Q", first)
        return header[:4] + struct.pack(f"{self.order}I", first) + header[8:]

    def read_directory(self, file: BinaryIO, offset: int, end: int) -> tuple[Frame, int] | None:
        """Return the directory at an offset, and the offset of the next one; None if it reaches beyond the end."""
        count_form, entry_size, next_form = ("Q", 20, "Q") if self.big else ("H", 12, "I")
        count_size, next_size = struct.calcsize(count_form), struct.calcsize(next_form)
        if offset + count_size + next_size > end:
            return None
        file.seek(offset)
        [count] = struct.unpack(self.order + count_form, file.read(count_size))
        after = offset + count_size + count * entry_size
        if after + next_size > end:
            return None
        entries = file.read(min(count, _MAX_ENTRIES) * entry_size)
        tags = dict(filter(None, (self._number(entries, at) for at in range(0, len(entries), entry_size))))
        file.seek(after)
        [following] = struct.unpack(self.order + next_form, file.read(next_size))
        kind = tags.get(_NEW_SUBFILE_TYPE, 0)
        frame = Frame(
            offset,
            width=tags.get(_WIDTH, 0),
            height=tags.get(_LENGTH, 0),
            reduced=bool(kind & _REDUCED) or tags.get(_OLD_SUBFILE_TYPE) == _OLD_REDUCED,
            mask=bool(kind & _MASK),
            empty=count == 0,
        )
        return frame, following

    def _number(self, entries: bytes, at: int) -> tuple[int, int] | None:
        """Return the tag and the value of an entry that holds one whole number; None for any other entry."""
        tag, kind = struct.unpack_from(f"{self.order}HH", entries, at)
        place = at + (12 if self.big else 8)
        form = {_SHORT: "H", _LONG: "I", _LONG8: "Q" if self.big else None}.get(kind)
        return None if form is None else (tag, struct.unpack_from(self.order + form, entries, place)[0])


def _is_aside(frame: Frame, whole: list[Frame]) -> bool:
    """Return whether a frame belongs to another one and is not a page.

    Some programs mark every page except the first as reduced; only a frame smaller than a full one is reduced.
    """
    return frame.mask or (
        frame.reduced
        and any(
            frame.width <= other.width
            and frame.height <= other.height
            and frame.width * frame.height < other.width * other.height
            for other in whole
        )
    )
