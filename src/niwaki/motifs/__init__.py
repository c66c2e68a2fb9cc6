"""x."""
from niwaki.motifs._layered import from_masks as from_masks
