import pytest

from niwaki.core import InputError
from niwaki.data import read_gene_names


def read(tmp_path, text, **options):
    path = tmp_path / "genes.csv"
    path.write_text(text)
    return read_gene_names(path, **options)


@pytest.mark.parametrize(
    "text",
    [
        "A\nB\n",
        "gene\nA\nB\n",
        '"x"\n"A"\n"B"\n',
        '"x","name"\n"A","a1"\n"B","b1"\n',
        '"","x"\n"1","A"\n"2","B"\n',
        '"x"\n"1" "A"\n"2" "B"\n',
        "Gene_name\tsymbol\nA\ta1\nB\tb1\n",
    ],
)
def test_lists_are_read_with_and_without_header_and_counts(tmp_path, text):
    assert read(tmp_path, text) == ("A", "B")


def test_the_number_expected_settles_whether_a_gene_is_a_header(tmp_path):
    assert read(tmp_path, "X\nA\n", count=2) == ("X", "A")
    assert read(tmp_path, "X\nA\n", count=1) == ("A",)
    assert read(tmp_path, "ours\nA\nB\n", count=2) == ("A", "B")


def test_a_column_is_chosen_by_title_or_place(tmp_path):
    text = "x,name\nA,a1\nB,b1\n"
    assert read(tmp_path, text, column="name") == read(tmp_path, text, column=1) == ("a1", "b1")


def test_names_keep_their_characters(tmp_path):
    names = ("a,b", 'say "hi"', "<script>", "größe", "a\tb")
    quoted = "\n".join('"' + name.replace('"', '""') + '"' for name in names)
    assert read(tmp_path, quoted) == names


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        ("A\nB\nA\n", {}, r"gene 'A' stands twice \(as number 1 and 3\)"),
        ("x,name\nA,a\n,b\n", {}, "gene number 2 has no name"),
        ("x,name\nA,a\nB\n", {"column": 1}, "row 2 has no cell in column 2"),
        ("x,name\nA,a\n", {"column": "alias"}, "no column 'alias'; its columns are x, name"),
        ("x,name\nA,a\n", {"column": 2}, "no column 2; it has 2"),
        ("gene\n", {}, "lists no genes"),
    ],
)
def test_bad_lists_give_one_sentence(tmp_path, text, options, message):
    with pytest.raises(InputError, match=message):
        read(tmp_path, text, **options)
