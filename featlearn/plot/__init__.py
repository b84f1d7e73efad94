"""Pictures of what was learned: Display classes in scikit-learn's way; matplotlib loads when something is drawn."""

from featlearn.plot.filters import FilterGridDisplay
from featlearn.plot.reconstruction import ReconstructionDisplay
from featlearn.plot.tiles import tile

__all__ = ["FilterGridDisplay", "ReconstructionDisplay", "tile"]
