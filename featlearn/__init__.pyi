from . import datasets as datasets
from . import training as training
from .callbacks import EarlyStopping as EarlyStopping
from .callbacks import ProgressBar as ProgressBar
from .grammar import *
from .images import *
from .linear import *
from .networks import *
from .persistence import load as load
from .persistence import save as save
from .plot import *
from .streaming import accumulate as accumulate
from .streaming import map_chunks as map_chunks
from .text import *
from .topics import *
from .vectors import *

__version__: str
