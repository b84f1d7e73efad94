from .deep_belief import DeepBeliefNetwork as DeepBeliefNetwork
from .deep_boltzmann import DeepBoltzmannMachine as DeepBoltzmannMachine
