"""The equation table (``node,eqn``): one regulation per gene, read without evaluating any code."""

import ast
import csv
import io
import re
from pathlib import Path

from niwaki.core import InputError, write_atomic
from niwaki.data._system import And, Hill, Or, RegulatorySystem, Rule, both, either
from niwaki.data._text import read_text, shorten

_NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
_HILL = re.compile(rf"fAct\(\s*(.+?)\s*,\s*({_NUMBER})\s*,\s*({_NUMBER})\s*\)")
_INPUT = "input gene"
_FORM = "'((RULE) * 1 - 1 * GENE) / 1' or 'input gene'"


def read_equations(path: Path | str) -> RegulatorySystem:
    """Read a table of gene equations.

    Each line gives a gene and either ``input gene`` or ``((RULE) * 1 - 1 * GENE) / 1``. A rule is
    built from ``fAct(regulator, EC50, n)`` (activation), ``1 - fAct(...)`` (repression), products
    (AND) and ``a + b - a * b`` (OR).

    Raises
    ------
    InputError
        If the file cannot be read or a line does not follow this grammar.
    """
    path = Path(path)
    text, _ = read_text(path)
    rows = [row for row in csv.reader(io.StringIO(text, newline="")) if any(row)]
    if not rows or rows[0] != ["node", "eqn"] or any(len(row) != 2 for row in rows):
        raise InputError(
            f"{path} is not a table of equations; expected the header 'node,eqn' and two columns."
        )
    try:
        rules = tuple(parse_equation(gene, equation) for gene, equation in rows[1:])
        return RegulatorySystem(tuple(gene for gene, _ in rows[1:]), rules)
    except InputError as error:
        raise InputError(f"{path}: {error}") from error


def parse_equation(gene: str, equation: str) -> Rule | None:
    """Return the rule of one `equation`, None for an input gene.

    Raises
    ------
    InputError
        If the equation does not follow the grammar, or its rate, decay or time constant is not 1.
    """
    if equation.strip() == _INPUT:
        return None
    head, tail = "(", f" * 1 - 1 * {gene}) / 1"
    if not (equation.startswith(head) and equation.endswith(tail)):
        raise InputError(f"the equation of gene '{shorten(gene)}' is not of the form {_FORM}.")
    hills: list[Hill] = []

    def lift(match: re.Match[str]) -> str:
        hills.append(Hill(match[1], float(match[2]), float(match[3])))
        return f"f{len(hills) - 1}"

    rule = _HILL.sub(lift, equation[len(head) : -len(tail)])
    try:
        return _rule(ast.parse(rule, mode="eval").body, hills)
    except (SyntaxError, ValueError, LookupError, RecursionError, MemoryError) as error:
        raise InputError(
            f"the equation of gene '{shorten(gene)}' cannot be read "
            f"({error or 'too deeply nested'}); a rule is made of "
            "fAct(gene, EC50, n), 1 - fAct(...), products, and a + b - a * b."
        ) from error


def write_equations(system: RegulatorySystem, path: Path | str) -> None:
    """Write `system` as a table that `read_equations` reads back to an equal system.

    Raises
    ------
    InputError
        If a gene name would be misread inside an equation.
    StorageError
        If the file cannot be written.
    """
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["node", "eqn"])
    for gene, rule in zip(system.genes, system.rules, strict=True):
        equation = _INPUT if rule is None else f"(({_text(rule)}) * 1 - 1 * {gene}) / 1"
        if not _reads_back(gene, equation, rule):
            raise InputError(
                f"the rule of gene '{gene}' cannot be written as an equation; rename genes whose "
                "names look like parts of an equation, and give every AND and OR two parts."
            )
        writer.writerow([gene, equation])
    write_atomic(Path(path), out.getvalue())


def _reads_back(gene: str, equation: str, rule: Rule | None) -> bool:
    try:
        return parse_equation(gene, equation) == rule
    except InputError:
        return False


def _rule(node: ast.expr, hills: list[Hill]) -> Rule:
    """Return the rule of a syntax tree over placeholders ``f0, f1, ...`` and the number 1."""
    match node:
        case ast.Constant(value=1):
            return And(())
        case ast.Name(id=name) if re.fullmatch(r"f\d+", name):
            return hills[int(name[1:])]
        case ast.BinOp(op=ast.Mult(), left=left, right=right):
            return both(_rule(left, hills), _rule(right, hills))
        case ast.BinOp(op=ast.Sub(), left=left, right=right):
            return _difference(left, _rule(right, hills), hills)
    raise ValueError(f"'{ast.unparse(node)[:60]}' is not understood")


def _difference(left: ast.expr, subtracted: Rule, hills: list[Hill]) -> Rule:
    """Return ``1 - a`` (repression) or ``a + b - a * b`` (OR)."""
    if isinstance(left, ast.BinOp) and isinstance(left.op, ast.Add):
        first, second = _rule(left.left, hills), _rule(left.right, hills)
        if both(first, second) != subtracted:
            raise ValueError("a sum must have the form a + b - a * b")
        return either(first, second)
    if _rule(left, hills) != And(()) or not isinstance(subtracted, Hill):
        raise ValueError("a difference must have the form 1 - fAct(...)")
    if not subtracted.activates:
        raise ValueError("a repression stands inside a repression")
    return Hill(subtracted.regulator, subtracted.ec50, subtracted.exponent, activates=False)


def _text(rule: Rule) -> str:
    """Return a rule in the grammar; an OR of many is halved, so its length grows as a square."""
    if isinstance(rule, Hill):
        term = f"1 * fAct({rule.regulator}, {rule.ec50!r}, {rule.exponent!r})"
        return term if rule.activates else f"(1 - {term})"
    if isinstance(rule, And):
        return "(" + " * ".join(_text(part) for part in rule.parts) + ")"
    if len(rule.parts) == 1:
        return _text(rule.parts[0])
    middle = len(rule.parts) // 2
    first, second = (_text(Or(part)) for part in (rule.parts[:middle], rule.parts[middle:]))
    return f"({first} + {second} - {first} * {second})"
