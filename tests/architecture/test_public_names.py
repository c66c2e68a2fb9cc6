import ast

from architecture.public_names import LISTED, SOURCE, public_names


def test_public_names_change_only_on_purpose():
    listed = LISTED.read_text().split()
    assert public_names() == listed, (
        "public names changed; if that is meant, run: python tests/architecture/public_names.py"
    )


def test_a_package_only_hands_out_names():
    for path in sorted(SOURCE.glob("*/__init__.py")):
        docstring, *rest = ast.parse(path.read_text()).body
        assert isinstance(docstring, ast.Expr), path
        for node in rest:
            assert isinstance(node, ast.ImportFrom), f"{path}:{node.lineno} is not an import"
            for alias in node.names:
                assert alias.asname == alias.name, f"{path}:{node.lineno} is not `X as X`"
