"""The classes of motifs of a layered graph: every connected pattern of two to four nodes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True)
class Motif:
    """A pattern of edges among numbered nodes.

    Attributes
    ----------
    edges
        Pairs of source and target.
    symmetries
        Permutations of the nodes that leave the pattern as it is (count).
    words
        The pattern as a person writes it.
    """

    edges: tuple[tuple[int, int], ...]
    symmetries: int
    words: str

    @property
    def nodes(self) -> int:
        """Number of nodes."""
        return 1 + max(max(edge) for edge in self.edges)


# Order 1 (edges), the three classes of order 2, and the ten of order 3, [1] zahn2024. The five that
# the publication leaves out are the stars, the two extended ones, and the zigzag.
MOTIFS: Mapping[str, Motif] = MappingProxyType(
    {
        "edge": Motif(((0, 1),), 1, "a→b"),
        "diverging2": Motif(((0, 1), (0, 2)), 2, "a→b,c"),
        "converging2": Motif(((0, 2), (1, 2)), 2, "a,b→c"),
        "chain2": Motif(((0, 1), (1, 2)), 1, "a→b→c"),
        "diverging3": Motif(((0, 1), (0, 2), (0, 3)), 6, "a→b,c,d"),
        "converging3": Motif(((0, 3), (1, 3), (2, 3)), 6, "a,b,c→d"),
        "star_2in_1out": Motif(((0, 2), (1, 2), (2, 3)), 2, "a,b→c→d"),
        "star_1in_2out": Motif(((0, 1), (1, 2), (1, 3)), 2, "a→b→c,d"),
        "chain3": Motif(((0, 1), (1, 2), (2, 3)), 1, "a→b→c→d"),
        "converging_extended": Motif(((0, 1), (1, 2), (3, 2)), 1, "a→b→c←d"),
        "diverging_extended": Motif(((0, 1), (1, 2), (0, 3)), 1, "d←a→b→c"),
        "zigzag": Motif(((0, 1), (2, 1), (2, 3)), 1, "a→b←c→d"),
        "bifan": Motif(((0, 2), (0, 3), (1, 2), (1, 3)), 4, "a,b→c,d"),
        "biparallel": Motif(((0, 1), (0, 2), (1, 3), (2, 3)), 2, "a→b,c→d"),
    }
)
NAMES: Sequence[str] = tuple(MOTIFS)
# How often a denser class contains a sparser one: what induced counts leave out.
INSIDE: Mapping[str, tuple[str, int]] = MappingProxyType(
    {
        "zigzag": ("bifan", 4),
        "converging_extended": ("biparallel", 2),
        "diverging_extended": ("biparallel", 2),
    }
)
# Functions of the degrees alone, which a degree-preserving null cannot change.
DEGREE_FIXED = frozenset(
    {
        *("edge", "diverging2", "converging2", "chain2", "diverging3", "converging3"),
        *("star_2in_1out", "star_1in_2out"),
    }
)
