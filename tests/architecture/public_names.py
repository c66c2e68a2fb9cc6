"""The public names of every package; run this file to write them to ``public_names.txt``.

python tests/architecture/public_names.py
"""

import ast
from pathlib import Path

HERE = Path(__file__).parent
SOURCE = HERE.parents[1] / "src" / "niwaki"
LISTED = HERE / "public_names.txt"


def public_names() -> list[str]:
    """Return ``package.name`` for every name that an ``__init__`` hands out."""
    names = []
    for path in sorted(SOURCE.glob("*/__init__.py")):
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.ImportFrom):
                given = [alias.asname or alias.name for alias in node.names]
                names += [f"niwaki.{path.parent.name}.{n}" for n in given if n[0] != "_"]
    return sorted(names)


if __name__ == "__main__":
    LISTED.write_text("\n".join(public_names()) + "\n")
