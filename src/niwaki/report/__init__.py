"""One offline HTML page, and a model card, from a run folder."""

from niwaki.report._distill import build_distill_report as build_distill_report
from niwaki.report._distill import write_distill_report as write_distill_report
from niwaki.report._headline import headline as headline
from niwaki.report._moth import build_moth_report as build_moth_report
from niwaki.report._moth import moth_markdown as moth_markdown
from niwaki.report._moth import moth_words as moth_words
from niwaki.report._moth import write_moth_report as write_moth_report
from niwaki.report._motifs import motif_words as motif_words
from niwaki.report._page import build_report as build_report
from niwaki.report._page import model_card as model_card
from niwaki.report._page import write_report as write_report
from niwaki.report._standalone import motif_svg as motif_svg
from niwaki.report._standalone import write_bars as write_bars
from niwaki.report._standalone import write_figures as write_figures
