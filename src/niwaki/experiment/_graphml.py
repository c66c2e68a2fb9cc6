"""A network as GraphML, for Cytoscape, yEd, Gephi, igraph and networkx."""

from collections.abc import Iterator
from xml.sax.saxutils import escape

from niwaki.core import Network

_NAMESPACE = "http://graphml.graphdrawing.org/xmlns"
# what XML 1.0 cannot hold: most control characters, lone surrogates and two non-characters
_CONTROL = dict.fromkeys([*range(9), 11, 12, *range(14, 32), *range(0xD800, 0xE000)])
_CONTROL |= {0xFFFE: None, 0xFFFF: None}


_KEYS = (("name", "node", "string"), ("weight", "edge", "double"), ("sign", "edge", "string"))


def to_graphml(network: Network) -> str:
    """Return the network as GraphML; edges carry ``weight`` and ``sign``, nodes their ``name``.

    Control characters, which XML cannot hold, are left out of names. Lines are written one by one:
    a tree of elements would take 2 kB per edge.
    """
    return "\n".join(_lines(network)) + "\n"


def _lines(network: Network) -> Iterator[str]:
    yield "<?xml version='1.0' encoding='utf-8'?>"
    yield f'<graphml xmlns="{_NAMESPACE}">'
    for name, domain, kind in _KEYS:
        yield f' <key id="{name}" for="{domain}" attr.name="{name}" attr.type="{kind}" />'
    yield ' <graph edgedefault="directed">'
    for node in sorted({*network.source.tolist(), *network.target.tolist()}):
        name = escape(network.genes[node].translate(_CONTROL))
        yield f'  <node id="n{node}"><data key="name">{name}</data></node>'
    for source, target, weight in zip(network.source, network.target, network.weight, strict=True):
        sign = "+" if weight > 0 else "-"
        yield (
            f'  <edge source="n{source}" target="n{target}"><data key="weight">{weight:.6g}</data>'
            f'<data key="sign">{sign}</data></edge>'
        )
    yield " </graph>"
    yield "</graphml>"
