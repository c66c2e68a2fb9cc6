"""A network as GraphML, for Cytoscape, yEd, Gephi, igraph and networkx."""

import xml.etree.ElementTree as ET

from niwaki.core import Network

_NAMESPACE = "http://graphml.graphdrawing.org/xmlns"
# what XML 1.0 cannot hold: most control characters, lone surrogates and two non-characters
_CONTROL = dict.fromkeys([*range(9), 11, 12, *range(14, 32), *range(0xD800, 0xE000)])
_CONTROL |= {0xFFFE: None, 0xFFFF: None}


def to_graphml(network: Network) -> str:
    """Return the network as GraphML; edges carry ``weight`` and ``sign``, nodes their ``name``.

    Control characters, which XML cannot hold, are left out of names.
    """
    root = ET.Element("graphml", xmlns=_NAMESPACE)
    for key, domain, name, kind in (
        ("name", "node", "name", "string"),
        ("weight", "edge", "weight", "double"),
        ("sign", "edge", "sign", "string"),
    ):
        ET.SubElement(root, "key", {"id": key, "for": domain, "attr.name": name, "attr.type": kind})
    graph = ET.SubElement(root, "graph", edgedefault="directed")
    linked = sorted({*network.source.tolist(), *network.target.tolist()})
    for node in linked:
        element = ET.SubElement(graph, "node", id=f"n{node}")
        ET.SubElement(element, "data", key="name").text = network.genes[node].translate(_CONTROL)
    for source, target, weight in zip(network.source, network.target, network.weight, strict=True):
        element = ET.SubElement(graph, "edge", source=f"n{source}", target=f"n{target}")
        ET.SubElement(element, "data", key="weight").text = f"{weight:.6g}"
        ET.SubElement(element, "data", key="sign").text = "+" if weight > 0 else "-"
    ET.indent(root, " ")
    return ET.tostring(root, encoding="unicode", xml_declaration=True) + "\n"
