"""Priors: reading, aligning, corrupting, and what they imply for layers."""

from niwaki.knowledge._align import align as align
from niwaki.knowledge._align import transpose as transpose
from niwaki.knowledge._corrupt import drop_edges as drop_edges
from niwaki.knowledge._corrupt import move_edges as move_edges
from niwaki.knowledge._corrupt import shuffle as shuffle
from niwaki.knowledge._read import ReadNetwork as ReadNetwork
from niwaki.knowledge._read import read_network as read_network
from niwaki.knowledge._score import Knowledge as Knowledge
from niwaki.knowledge._score import co_target_ppi as co_target_ppi
from niwaki.knowledge._score import knowledge_from as knowledge_from
from niwaki.knowledge._score import module_scores as module_scores
from niwaki.knowledge._score import symmetric_ppi as symmetric_ppi
from niwaki.knowledge._score import target_scores as target_scores
