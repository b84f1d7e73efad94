"""How much context should a symbol know? A grid search
=======================================================

A symbol may know the labels above it (vertical) and the siblings that follow (horizontal). Too little, and the grammar
says yes to everything; too much, and it has seen too few of each. `GridSearchCV` finds where the balance lies.

Shows: `PCFGParser` in a `GridSearchCV`, scored by labeled bracket F1. The trees are short ones of the Penn Treebank
sample if the data home has it (treebank/), else drawn from a grammar where subjects and objects differ. Give a file
name ending in .png to keep the picture:

    python examples/plot_markovization_search.py search.png
"""

# %%
import sys

import numpy as np
from matplotlib import pyplot as plt
from sklearn.model_selection import GridSearchCV

from featlearn.datasets import DatasetNotFoundError, load_treebank
from featlearn.grammar.binarization import base_label
from featlearn.grammar.cfg import PCFG
from featlearn.grammar.parser import PCFGParser
from featlearn.grammar.transforms import map_labels

picture = next((argument for argument in sys.argv[1:] if argument.endswith(".png")), None)

# %%
# In this grammar subjects are mostly pronouns and objects seldom are, and only objects take a prepositional phrase. Its
# trees do not show it: both are NP.
GRAMMAR = """
S -> NP^S VP 1.0
VP -> V NP^VP 0.6 | V NP^VP PP 0.2 | V PP 0.2
NP^S -> PRP 0.8 | DT NN 0.2
NP^VP -> PRP 0.1 | DT NN 0.5 | NP^VP PP 0.2 | DT JJ NN 0.1 | DT JJ JJ NN 0.1
PP -> P NP^PP 1.0
NP^PP -> DT NN 0.9 | PRP 0.1
PRP -> 'he' 0.5 | 'she' 0.5
DT -> 'the' 0.6 | 'a' 0.4
NN -> 'dog' 0.5 | 'park' 0.3 | 'saw' 0.2
JJ -> 'old' 0.6 | 'park' 0.4
V -> 'saw' 0.7 | 'park' 0.3
P -> 'in' 0.5 | 'with' 0.5
"""
try:
    trees = [tree for tree in load_treebank() if 4 <= len(tree) <= 20][:500]
    what = "500 short trees of the Penn Treebank sample"
except DatasetNotFoundError as error:
    print(f"{error}\nTrees of a toy grammar instead.")
    rng, grammar = np.random.RandomState(0), PCFG.from_text(GRAMMAR)
    trees = [map_labels(grammar.sample(rng), base_label) for _ in range(450)]
    what = "450 trees of a toy grammar"
sentences = [tree.words() for tree in trees]

# %%
# Each pair of values is fitted and scored in two folds. The parser reads sentences side by side, so no workers here.
grid = {"horizontal": [1, 2, None], "vertical": [1, 2, 3]}
search = GridSearchCV(PCFGParser(), grid, cv=2).fit(sentences, trees)
f1 = 100 * search.cv_results_["mean_test_score"].reshape(3, 3)
names = ["all" if h is None else str(h) for h in grid["horizontal"]]
print("horizontal " + "".join(f"{f'vertical={v}':>12}" for v in grid["vertical"]))
for name, row in zip(names, f1, strict=True):
    print(f"{name:>10} " + "".join(f"{value:12.2f}" for value in row))
print("best:", search.best_params_, f"F1 {100 * search.best_score_:.2f} %")

# %%
figure, ax = plt.subplots(figsize=(6, 4.5), layout="constrained")
image = ax.imshow(f1.T, cmap="Blues", origin="lower", aspect="auto")
ax.set_xticks(range(3), names)
ax.set_yticks(range(3), grid["vertical"])
middle = (f1.min() + f1.max()) / 2
for (h, v), value in np.ndenumerate(f1):
    ax.text(h, v, f"{value:.1f}", ha="center", va="center", color="white" if value > middle else "black")
ax.set(xlabel="horizontal: siblings known", ylabel="vertical: labels known", title=f"F1 in %, {what}")
figure.colorbar(image)
if picture:
    figure.savefig(picture, dpi=120)
else:
    plt.show()
