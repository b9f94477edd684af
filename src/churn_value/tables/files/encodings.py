"""Files of text that are not UTF-8: read in the encoding their table names, or refused with the one they may be in.

Which encoding a file is in can only be guessed from its bytes, so a guess is shown to who writes the configuration and
never used to read.
"""

from __future__ import annotations

import codecs
import gzip
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import BinaryIO, cast

from churn_value.errors import SchemaError

UTF8 = frozenset({"utf-8", "utf-8-sig"})
_OF_CHINA, _OF_THE_WEST = "gb18030", "cp1252"
"""What offices save tables in where not in Unicode. The first is told by GB 2312, its common characters: the bytes
of its rare ones may as well be a letter with an accent and the letter after it."""

OF_GZIP = (gzip.BadGzipFile, zlib.error, EOFError)
"""What a broken ``.gz`` raises when it is read."""

_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_BLOCK_BYTES = 1 << 20
_SHOWN_BYTES = 120
_SAMPLE_LINES = 100


def is_utf8(encoding: str) -> bool:
    """Whether a codec's name is one of UTF-8's."""
    return codecs.lookup(encoding).name in UTF8


@contextmanager
def in_utf8(files: Sequence[Path], encoding: str, where: str) -> Iterator[list[Path]]:
    """The same files in UTF-8: themselves, or copies that are gone at the end.

    Parameters
    ----------
    files
        CSV or JSON Lines, packed by gzip where they end in ``.gz``.
    encoding
        Codec of Python that all of them are in.
    where
        File and key that messages name.

    Raises
    ------
    SchemaError
        When bytes of a file are none of that encoding.
    """
    if is_utf8(encoding):
        yield list(files)
        return
    with TemporaryDirectory(prefix="churn_value-") as folder:
        copies = [Path(folder) / f"{number}.csv" for number in range(len(files))]
        for path, copy in zip(files, copies, strict=True):
            _copy(path, copy, encoding, where)
        yield copies


def unpacked(path: Path) -> BinaryIO:
    """A file's bytes, unpacked where its name ends in ``.gz``."""
    return cast("BinaryIO", gzip.open(path, "rb")) if path.suffix == ".gz" else path.open("rb")


def _copy(path: Path, copy: Path, encoding: str, where: str) -> None:
    decoder = codecs.getincrementaldecoder(encoding)()
    lines = 1
    with unpacked(path) as source, copy.open("wb") as target:
        while True:
            block = source.read(_BLOCK_BYTES)
            try:
                text = decoder.decode(block, final=not block)
                target.write(text.encode())
            except UnicodeError as error:
                read = getattr(error, "object", b"")[: getattr(error, "start", 0)]
                raise not_in(path, encoding, lines + read.count(b"\n"), where) from None
            lines += text.count("\n")
            if not block:
                return


def not_in(path: Path, encoding: str, line: int, where: str) -> SchemaError:
    """Refusal of a file that is not in the encoding that its table names."""
    return SchemaError(
        "a file must be in the encoding that its table names",
        code="CSV_ENCODING",
        where=where,
        received=f"bytes near line {line} that are not {encoding} in {path}",
        remedy="correct encoding beside the table's path, or save the file again",
    )


def foreign_lines(path: Path) -> list[bytes]:
    """The first lines that are not UTF-8 of a file in another encoding; none where other lines beyond ASCII are UTF-8.

    A few bad bytes among good ones are damage, which is set aside line by line.
    """
    first: list[bytes] = []
    with unpacked(path) as file:
        for line in file:
            if line.isascii():
                continue
            if _reads(line, "utf-8"):
                return []
            if len(first) < _SAMPLE_LINES:
                first.append(line)
    return first


def not_utf8(sample: Sequence[bytes], path: Path, where: str) -> SchemaError:
    """Refusal of a file in another encoding, with the key that might read it and what it would read.

    Parameters
    ----------
    sample
        Lines of the file that are not UTF-8, or its first lines.
    path, where
        The file, and the key that messages name.
    """
    encoding = _guess(sample)
    text = sample[0][:_SHOWN_BYTES].decode(encoding, errors="ignore").strip()
    return SchemaError(
        "a file of text must be UTF-8, or in the encoding that its table names",
        code="CSV_ENCODING",
        where=where,
        received=f"other bytes in {path}",
        remedy=f"write encoding: {encoding} beside the table's path if the file says {text!r}; otherwise name the "
        "encoding that it is in, or save it as UTF-8",
    )


def _guess(sample: Sequence[bytes]) -> str:
    start = sample[0]
    if start.startswith(_UTF16):
        return "utf-16"
    if b"\x00" in start:
        return "utf-16-be" if start.startswith(b"\x00") else "utf-16-le"
    lines = [line for line in sample if not line.isascii()]
    return _OF_CHINA if 2 * sum(_reads(line, "gb2312") for line in lines) > len(lines) else _OF_THE_WEST


def _reads(line: bytes, encoding: str) -> bool:
    try:
        line.decode(encoding)
    except UnicodeDecodeError:
        return False
    return True
