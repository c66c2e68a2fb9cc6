"""The criteria by name."""

from collections.abc import Mapping
from types import MappingProxyType

from niwaki.pruning._criteria._chain import Criterion
from niwaki.pruning._criteria._dash import dash, knowledge_alone
from niwaki.pruning._criteria._dash_paper import dash_paper
from niwaki.pruning._criteria._gradient import of_weights, synflow
from niwaki.pruning._criteria._magnitude import magnitude
from niwaki.pruning._criteria._random import random

CRITERIA: Mapping[str, Criterion] = MappingProxyType(
    {
        "dash": dash,
        "dash-paper": dash_paper,
        "magnitude": magnitude,
        "knowledge": knowledge_alone,
        "random": random,
        "snip": of_weights("snip"),
        "grasp": of_weights("grasp"),
        "synflow": synflow,
        "taylor": of_weights("taylor"),
    }
)
