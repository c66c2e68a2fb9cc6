"""Text files as people send them: encodings, compression, delimiters."""

import csv
import gzip
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

from niwaki.core._errors import InputError

DELIMITERS = ("\t", ",", ";", "|", " ")
_SIGNATURES = {
    b"PK\x03\x04": "an Excel workbook or zip archive",
    b"\x89HDF": "an HDF5 file",
    b"PAR1": "a Parquet file",
    b"%PDF": "a PDF",
    b"RDX": "an R data file",
}


def check_file(path: Path) -> None:
    """Raise InputError unless `path` is a file with content that may be read."""
    try:
        if path.is_dir():
            raise InputError(f"{path} is a folder; name a file inside it.")
        if not path.exists():
            raise InputError(f"{path} does not exist; check the name and the folder.")
        if path.stat().st_size == 0:
            raise InputError(f"{path} is empty (0 bytes); it may not have been saved or copied.")
    except OSError as error:
        raise InputError(f"{path} cannot be opened ({error.strerror}).") from error


def read_bytes(path: Path) -> bytes:
    """Return the content of a plain or gzipped file.

    Raises
    ------
    InputError
        If the file is missing, empty or damaged.
    """
    check_file(path)
    try:
        data = path.read_bytes()
        return gzip.decompress(data) if data.startswith(b"\x1f\x8b") else data
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise InputError(
            f"{path} is a truncated or damaged gzip file ({error}); copy or download it again."
        ) from error
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}).") from error


def decode_text(path: Path, data: bytes) -> tuple[str, list[str]]:
    """Return the text of a file's content, and what was assumed about its encoding.

    Raises
    ------
    InputError
        If it is no text, by its first bytes.
    """
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        encoding = "utf-16"
    else:
        encoding = "utf-8-sig"
        kind = next((k for mark, k in _SIGNATURES.items() if data.startswith(mark)), None)
        if kind is None and b"\0" in data[:4096]:
            kind = "a binary file"
        if kind is not None:
            raise InputError(f"{path} is {kind}, not a text table; export it as CSV or TSV.")
    try:
        return data.decode(encoding), []
    except UnicodeDecodeError:
        return data.decode("latin-1"), ["The file is not UTF-8; it was read as Latin-1."]


def sniff_delimiter(lines: list[str]) -> str:
    """Return the delimiter that splits `lines` most evenly into more than one column.

    A delimiter inside quotes does not count. Where several split equally evenly, the earlier of
    tab, comma, semicolon, bar and space wins.
    """

    def evenness(delimiter: str) -> float:
        try:
            widths = [len(row) for row in split_lines(lines, delimiter)]
        except csv.Error:
            return -1.0
        width, times = Counter(widths).most_common(1)[0] if widths else (1, 0)
        if max(widths, default=1) == 1:
            return -1.0
        return times / len(widths) if width > 1 else 0.0

    return max(DELIMITERS, key=evenness)


def split_lines(lines: Iterable[str], delimiter: str) -> Iterator[list[str]]:
    """Yield the cells of each line."""
    return csv.reader(lines, delimiter=delimiter, skipinitialspace=delimiter == " ")
