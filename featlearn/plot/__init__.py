"""Pictures of what was learned: Display classes in scikit-learn's way; matplotlib loads when something is drawn."""

from featlearn.plot.curves import LossCurveDisplay
from featlearn.plot.filters import FilterGridDisplay
from featlearn.plot.live import LivePlot
from featlearn.plot.reconstruction import ReconstructionDisplay
from featlearn.plot.samples import SampleGridDisplay
from featlearn.plot.sparsity import SparsityDisplay
from featlearn.plot.tiles import tile
from featlearn.plot.topic_displays import DocumentTopicDisplay, TopicDisplay
from featlearn.plot.topic_map import TopicMapDisplay, topics_html
from featlearn.plot.trees import TreeDisplay, tree_svg

__all__ = [
    "DocumentTopicDisplay",
    "FilterGridDisplay",
    "LivePlot",
    "LossCurveDisplay",
    "ReconstructionDisplay",
    "SampleGridDisplay",
    "SparsityDisplay",
    "TopicDisplay",
    "TopicMapDisplay",
    "TreeDisplay",
    "tile",
    "topics_html",
    "tree_svg",
]
