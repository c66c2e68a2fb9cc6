import gzip
import math

import pytest

from niwaki.core import InputError, sniff_delimiter
from niwaki.data._text import number, numbers, read_rows


@pytest.mark.parametrize("delimiter", ["\t", ",", ";", "|", " "])
def test_delimiter_is_found_from_content(delimiter):
    lines = [delimiter.join(row) + "\n" for row in (["time", "a", "b"], ["0", "1", "2"])]
    assert sniff_delimiter(lines) == delimiter


def test_decimal_commas_do_not_hide_the_semicolon():
    assert sniff_delimiter(["time;a;b\n", "0;1,5;2,5\n", "1;1,5;2,5\n"]) == ";"


def test_delimiters_in_quotes_do_not_count():
    assert sniff_delimiter(['time\t"a,b"\t"c,d"\n', "0\t1\t2\n"]) == "\t"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_byte_marks_and_line_ends_leave_no_trace(tmp_path, encoding, newline):
    path = tmp_path / "t.csv"
    lines = ["# made by R", "", "time,GÉNE", "0,1", "", "# end", "1,2", ""]
    path.write_bytes(newline.join(lines).encode(encoding))
    assert list(read_rows(path).rows) == [["time", "GÉNE"], ["0", "1"], ["1", "2"]]


def test_quotes_keep_delimiters_hashes_and_line_breaks(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text('time,"a,b"\n0,"x\n\n# not a comment"\n')
    assert list(read_rows(path).rows) == [["time", "a,b"], ["0", "x\n\n# not a comment"]]


def test_gzip_is_recognised_whatever_the_name(tmp_path):
    path = tmp_path / "t.csv"
    path.write_bytes(gzip.compress(b"time,a\n0,1\n"))
    assert list(read_rows(path).rows) == [["time", "a"], ["0", "1"]]


def test_text_that_is_not_utf8_is_read_with_a_note(tmp_path):
    path = tmp_path / "t.csv"
    path.write_bytes("time,gène\n0,1\n".encode("latin-1"))
    table = read_rows(path)
    assert table.preview[0] == ["time", "gène"]
    assert "Latin-1" in table.notes[0]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "empty"),
        (b" \n\n", "no text"),
        (b"# only\n# comments\n", "nothing but comments"),
        (b"PK\x03\x04rest", "Excel"),
        (b"a\0b", "binary"),
        (gzip.compress(b"time,a\n0,1\n", mtime=0)[:-9], "truncated"),
        (b'time,a\n0,"' + b"x" * 200_000, "unclosed quote"),
    ],
)
def test_unreadable_files_give_one_sentence(tmp_path, content, message):
    path = tmp_path / "t.csv"
    path.write_bytes(content)
    with pytest.raises(InputError, match=message) as caught:
        list(read_rows(path).rows)
    assert str(path) in str(caught.value)


def test_missing_file_and_folder_are_told_apart(tmp_path):
    with pytest.raises(InputError, match="does not exist"):
        read_rows(tmp_path / "no.csv")
    with pytest.raises(InputError, match="is a folder"):
        read_rows(tmp_path)


def test_missing_markers_are_nan_and_underscores_are_text():
    assert all(math.isnan(value) for value in numbers(["", "NA", " nan ", "#N/A", "None"]))
    assert numbers([" 1.5", "-2e3"]) == [1.5, -2000.0]
    with pytest.raises(ValueError, match="1"):
        numbers(["0", "1_2"])
    with pytest.raises(ValueError, match="1_2"):
        number("1_2")
