"""One table from one file: CSV (also TSV, semicolons, gzip) or Parquet.

The identifiers are in the column `id`, or else in the first. Every other column becomes numbers,
where nearly all of its values are, or words. Files are bounded before they are unpacked.
"""

from __future__ import annotations

import codecs
import csv
import io
import math
import re
import zlib
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

Numbers = npt.NDArray[np.float64]
Words = npt.NDArray[np.object_]
Column = Numbers | Words
"""(n,) of one table: float64 with NaN where a value is missing, or str with None there."""

ENDINGS = (".csv.gz", ".tsv.gz", ".csv", ".tsv", ".parquet")
LARGEST_BYTES = 2**29
"""Of a file, unpacked."""
MOST_CELLS = 5 * 10**7

MISSING = ("", "na", "n/a", "nan", "null", "?")
"""What stands for a missing value, in capitals or not."""
INFINITE = ("inf", "+inf", "-inf", "infinity", "+infinity", "-infinity")
MISSING_NUMBERS = (*MISSING, *INFINITE, "none", "-", "--", ".", "missing", "unknown")
"""The same in a column of numbers."""
MOSTLY = 0.9
"""Share of a column's values from which on it holds numbers; its other values are then missing."""

_NUMBER = r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$"
_WRITTEN_OTHERWISE = (  # thousands apart, a decimal comma, a typeset minus, percent
    r"^[+\-\x{2212}]?((\d{1,3}([ ,.'\x{2019}\x{a0}\x{202f}]\d{3})+|\d+)([.,]\d*)?|[.,]\d+)"
    r"([eE][+-]?\d+)?\s?%?$"
)
_THOUSANDS = r"^[+-]?[1-9]\d{{0,2}}([{mark}]\d{{3}})+$"  # or three decimals
_DECIMALS = r"^[+-]?\d*[{mark}]\d+$"
_DELIMITERS = ",;\t|"
_EXCEL_S_DELIMITER = re.compile(r"\s*\"?sep=.\"?\n", re.IGNORECASE)  # a first line of its own
_BOMS = {codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}
_INDEX = "__index_level_0__"  # how pandas calls an index without a name


class TableError(ValueError):
    """A table that cannot be used; the message names the file and says what to do."""


@dataclass(frozen=True)
class Table:
    """ids (n,), each once; columns by name, in the order of the file, each (n,).

    notes: sentences on values that could not be used.
    """

    ids: tuple[str, ...]
    columns: dict[str, Column]
    notes: tuple[str, ...] = ()


def modality_of(name: str) -> str:
    """`pixels` of `pixels.csv.gz`; "" where it is not the name of a table."""
    ending = next((e for e in ENDINGS if name.lower().endswith(e)), "")
    return name[: -len(ending)] if ending and not name.startswith((".", "~")) else ""


def read_table(path: Path, shown: str = "", words: bool = False, target: str = "") -> Table:
    """Read one file.

    Args:
        shown: what people call it, where it lies under another name.
        words: every column as words, as for labels. target: the one of them that is to be
            predicted, "" for any: if it holds numbers, they have a decimal point, and none is
            infinite.

    Raises:
        TableError: missing, damaged, too large; no values; an identifier or a name twice; numbers
            that are not written as numbers are here.
    """
    path = Path(path)
    name = shown or path.name
    try:
        read = _read_parquet if name.lower().endswith(".parquet") else _read_csv
        table, decimal = read(path, name)
    except FileNotFoundError:
        raise TableError(f"There is no file {name}.") from None
    except OSError as error:
        raise TableError(f"{name} cannot be read ({error.strerror or 'damaged'}).") from None
    names = _checked_names(table.column_names, name)
    place = next((k for k, n in enumerate(names) if n.lower() in ("id", _INDEX)), 0)
    ids = _ids(_plain(table.column(place)), name)
    if not ids:
        raise TableError(f"{name} names its columns but has no row.")
    given = {n: _plain(table.column(k)) for k, n in enumerate(names) if n and k != place}
    marks = _marks_of(given.values(), decimal)
    columns: dict[str, Column] = {}
    notes = []
    for n, column in given.items():
        where = f"{n} in {name}"
        if words:
            text = _text(column)
            columns[n] = _labels(text, marks, where) if target in ("", n) else _words(text)
            continue
        columns[n], odd = _column(column, marks, where)
        if odd:
            notes.append(f"{odd} values of {n} in {name} are no numbers and count as missing.")
    if not columns:
        raise TableError(
            f"{name} has only one column. A table holds identifiers, then at least one column of "
            "values, parted by commas, semicolons or tabs."
        )
    return Table(ids, columns, tuple(notes))


# ---- from a file to columns of text


def _read_csv(path: Path, name: str) -> tuple[Any, str]:
    """Every column as strings, and the mark that its numbers have: "." or ","."""
    import pyarrow as pa
    import pyarrow.csv as arrow

    text = _EXCEL_S_DELIMITER.sub("", _decoded(_unpacked(path, name), name), 1)
    header = text.partition("\n")[0]
    delimiter = max(_DELIMITERS, key=header.count)
    names = next(csv.reader([header.rstrip("\r")], delimiter=delimiter), [])
    if not any(names):
        raise TableError(f"{name} is empty. Its first line is to name the columns.")
    if header.count(delimiter) * text.count("\n") > MOST_CELLS:
        raise _too_large(name)
    unique = [str(k) for k in range(len(names))]  # names may be empty, or come twice
    try:
        table = arrow.read_csv(
            io.BytesIO(text.encode()),
            arrow.ReadOptions(
                use_threads=False,  # only then do complaints name the line
                block_size=2 * LARGEST_BYTES,
                skip_rows=1,
                column_names=unique,
            ),
            arrow.ParseOptions(delimiter=delimiter, newlines_in_values=True),
            arrow.ConvertOptions(column_types=dict.fromkeys(unique, pa.string())),
        )
    except pa.ArrowInvalid as error:
        found = re.search(r"Row #(\d+): Expected (\d+) columns, got (\d+)", str(error))
        if not found:
            raise TableError(f"{name} is no CSV that can be read. Save it again.") from None
        line, expected, got = found.groups()
        raise TableError(
            f"Line {line} of {name} has {got} values, and its first line names {expected} columns."
        ) from None
    decimal = "," if delimiter == ";" else "."
    return table.rename_columns(names), decimal


def _unpacked(path: Path, name: str) -> bytes:
    """The bytes of a CSV; of a gzip no more than a file may have."""
    if path.stat().st_size > LARGEST_BYTES:
        raise _too_large(name)
    data = path.read_bytes()
    if not data.startswith(b"\x1f\x8b"):
        return data
    unpacker = zlib.decompressobj(wbits=31)
    try:
        plain = unpacker.decompress(data, LARGEST_BYTES)
    except zlib.error:
        raise TableError(f"{name} is a damaged gzip file. Fetch it again.") from None
    if unpacker.unconsumed_tail:
        raise _too_large(name)
    if not unpacker.eof:
        raise TableError(f"{name} ends early. Fetch it again.")
    return plain


def _decoded(data: bytes, name: str) -> str:
    """UTF-8 or UTF-16 by its mark, else UTF-8, else Windows' western letters; lines end in LF."""
    encoding = next((e for mark, e in _BOMS.items() if data.startswith(mark)), "utf-8")
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError:
        text = data.decode("cp1252", "replace")
    if "\0" in text:
        raise TableError(f"{name} is no text. Save the table as CSV or Parquet.")
    return text.replace("\r\n", "\n").replace("\r", "\n").strip("\n") + "\n"


def _read_parquet(path: Path, name: str) -> tuple[Any, str]:
    import pyarrow as pa
    import pyarrow.parquet as parquet

    try:
        with parquet.ParquetFile(path) as file:
            about = file.metadata
            groups = (about.row_group(k) for k in range(about.num_row_groups))
            unpacked = sum(group.total_byte_size for group in groups)
            if unpacked > LARGEST_BYTES or about.num_rows * about.num_columns > MOST_CELLS:
                raise _too_large(name)
            return file.read(), "."
    except FileNotFoundError:
        raise
    except (pa.ArrowException, OSError):
        raise TableError(f"{name} is no Parquet file that can be read. Write it again.") from None


def _too_large(name: str) -> TableError:
    return TableError(
        f"{name} is too large: a table may have {LARGEST_BYTES >> 20} MiB unpacked and "
        f"{MOST_CELLS:,} values."
    )


# ---- from columns of text to values


def _checked_names(names: list[str], file: str) -> list[str]:
    """The names without spaces around them; none comes twice."""
    plain = [name.strip() for name in names]
    twice = [name for name, count in Counter(plain).items() if count > 1 and name]
    if twice:
        raise TableError(f"{file} has two columns called {twice[0]!r}. Rename one of them.")
    return plain


def _ids(column: Any, name: str) -> tuple[str, ...]:
    ids = [str(i).strip() if i is not None else "" for i in _text(column).to_pylist()]
    if "" in ids:
        raise TableError(f"Row {ids.index('') + 1} of {name} has no identifier.")
    twice = [i for i, count in Counter(ids).items() if count > 1]
    if twice:
        raise TableError(
            f"{name} has more than one row of {twice[0]!r}. Each identifier may come once."
        )
    return tuple(ids)


def _plain(column: Any) -> Any:
    """A column as one array, without the codes of a category."""
    import pyarrow as pa

    whole = column.combine_chunks()
    if isinstance(whole, pa.ChunkedArray):
        whole = whole.chunk(0) if whole.num_chunks else pa.array([], whole.type)
    return whole.cast(whole.type.value_type) if pa.types.is_dictionary(whole.type) else whole


def _text(column: Any) -> Any:
    """A column of any type as trimmed strings, null where a value is missing.

    Whole numbers that a Parquet file keeps as floats read `7`, not `7.0`; dates and nested values
    read as nothing, for they are neither numbers nor categories.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    kind = column.type
    if pa.types.is_floating(kind):
        return pa.array([written(v) for v in column.to_pylist()], pa.string())
    known = (pa.types.is_integer, pa.types.is_boolean, pa.types.is_decimal)
    texts = (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view)
    if not any(test(kind) for test in (*known, *texts)):
        return pa.nulls(len(column), pa.string())
    return pc.utf8_trim_whitespace(pc.cast(column, pa.string()))


def written(number: float | None) -> str | None:
    """A number as people write it: `7`, `0.1`; None where there is none."""
    if number is None or number != number:
        return None
    return str(int(number)) if number.is_integer() else repr(number)


def number_in(word: str | None) -> float:
    """A number as tables hold it, NaN where it is none."""
    return float(word) if word and re.fullmatch(_NUMBER, word, re.ASCII) else math.nan


@dataclass(frozen=True)
class _Marks:
    """What the numbers of a file may have within: decimal, before decimals beside the point.
    thousands: the marks that part thousands where three digits follow, for the file has another
    one before decimals."""

    decimal: str
    thousands: str


def _marks_of(columns: Iterable[Any], decimal: str) -> _Marks:
    """Of a file: between semicolons people write 1.200,5 or 1,200.5; what it is, other cells
    tell."""
    if decimal == ".":
        return _Marks(decimal, "")
    texts = [_text(column) for column in columns]
    told = [mark for mark in ",." if any(_tells(text, mark) for text in texts)]
    return _Marks(decimal, "".join(other for mark, other in (",.", ".,") if mark in told))


def _tells(text: Any, mark: str) -> bool:
    """Whether a cell has this mark before decimals, and cannot have it between thousands."""
    import pyarrow.compute as pc

    decimals, thousands = (
        pc.match_substring_regex(text, pattern.format(mark=mark))
        for pattern in (_DECIMALS, _THOUSANDS)
    )
    return bool(pc.any(pc.and_not(decimals, thousands)).as_py())


def _numbers(text: Any, marks: _Marks, place: str) -> tuple[Any, int] | None:
    """Text with a decimal point where it is a number and null elsewhere, and how many values are
    none; None where they are words.

    Raises:
        TableError: see `_column`.
    """
    import pyarrow.compute as pc

    given = _null_where(text, MISSING_NUMBERS)
    written = pc.replace_substring(given, marks.decimal, ".")
    fits = pc.match_substring_regex(written, _NUMBER)
    if marks.thousands:
        grouped = pc.match_substring_regex(given, _THOUSANDS.format(mark=marks.thousands))
        fits = pc.and_not(fits, grouped)
    odd = pc.and_not(pc.match_substring_regex(written, _WRITTEN_OTHERWISE), fits)
    numbers, others = (pc.sum(found).as_py() or 0 for found in (fits, odd))
    known = pc.count(written).as_py()
    if others and numbers + others >= MOSTLY * known:
        raise _written_otherwise(place, pc.filter(text, odd)[0].as_py())
    if not numbers or numbers < MOSTLY * known:
        return None
    return pc.if_else(fits, written, None), known - numbers


def _labels(text: Any, marks: _Marks, place: str) -> Words:
    """Words as they are; numbers with a decimal point, None where they are infinite.

    Raises:
        TableError: see `_column`.
    """
    import pyarrow.compute as pc

    found = _numbers(text, marks, place)
    if found is None:
        return _words(text)
    finite = pc.is_finite(_floats(found[0]))
    spelled = pc.if_else(pc.fill_null(finite, False), found[0], text)
    infinite = pc.invert(pc.fill_null(finite, True))
    return _words(_null_where(pc.if_else(infinite, None, spelled), INFINITE))


def _column(column: Any, marks: _Marks, place: str) -> tuple[Column, int]:
    """Numbers where nearly all values are, else words; and how many values were no numbers.

    place: what it is called, and in which file.

    Raises:
        TableError: nearly all are numbers, but some are written otherwise: they would become words
            or missing, or a thousandth of what they are.
    """
    import pyarrow as pa

    kind = column.type
    if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        return _finite(column.cast(pa.float64())), 0
    text = _text(column)
    found = _numbers(text, marks, place)
    return (_words(text), 0) if found is None else (_finite(_floats(found[0])), found[1])


def _floats(numbers: Any) -> Any:
    import pyarrow as pa
    import pyarrow.compute as pc

    return pc.cast(pc.utf8_ltrim(numbers, "+"), pa.float64())


def _written_otherwise(place: str, example: str) -> TableError:
    return TableError(
        f"The numbers of {place} are written as {example[:20]!r}. Write them with a decimal point "
        "(between semicolons a comma will do), nothing between thousands and no percent sign."
    )


def _finite(column: Any) -> Numbers:
    values: Numbers = column.to_numpy(zero_copy_only=False).astype(np.float64)
    return np.where(np.isfinite(values), values, np.nan)


def _words(text: Any) -> Words:
    return np.array([*_null_where(text, MISSING).to_pylist(), None], object)[:-1]


def _null_where(text: Any, missing: tuple[str, ...]) -> Any:
    import pyarrow as pa
    import pyarrow.compute as pc

    absent = pc.is_in(pc.utf8_lower(text), pa.array(missing))
    return pc.if_else(absent, None, text)
