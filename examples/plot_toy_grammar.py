"""A toy grammar: one sentence, two trees
=========================================

Did the man use the telescope, or does the woman have it? A small grammar gives the sentence both trees, each with its
probability, and both together are the probability of the sentence. Then the grammar's probabilities are forgotten and
found again from sentences alone, by inside-outside.

Shows: `load_toy_grammar`, `PCFGParser` with a grammar and with ``method="em"``, `TreeDisplay`. Give a file name ending
in .png to keep the picture:

    python examples/plot_toy_grammar.py trees.png
"""

# %%
import sys

import numpy as np
from matplotlib import pyplot as plt

from featlearn.grammar.cfg import PCFG
from featlearn.grammar.parser import PCFGParser
from featlearn.grammar.toys import load_toy_grammar
from featlearn.plot.trees import TreeDisplay

picture = next((argument for argument in sys.argv[1:] if argument.endswith(".png")), None)

# %%
# The grammar, and all trees of the sentence. A parser that is given its grammar needs no fit.
grammar = load_toy_grammar("telescope")
print(grammar.to_text())
parser = PCFGParser(grammar=grammar)
sentence = "the man saw the woman with the telescope"
readings = parser.parse(sentence, k=10)
total = np.exp(parser.inside_log_proba(sentence))
for tree, log_p in readings:
    print(f"p(tree) = {np.exp(log_p):.4g}, {np.exp(log_p) / total:.0%} of p(sentence) = {total:.4g}\n{tree.ascii()}\n")

# %%
# Most derivations of this grammar never end: NP -> NP PP is too likely. What its finite trees add up to:
print("mass of the finite trees:", round(grammar.mass()["S"], 4))

# %%
# Learning without trees: sentences drawn from another toy grammar, and the same rules with no idea of their
# probabilities. Inside-outside weighs all trees of every sentence.
truth = load_toy_grammar("picnic")
rng = np.random.RandomState(0)
sentences = [truth.sample(rng).words() for _ in range(300)]
blank = PCFG(dict.fromkeys(truth.rules, 1.0), truth.start, normalize=True)
learner = PCFGParser(method="em", grammar=blank, tol=1e-6).fit(sentences)
learned = dict(zip(learner.pcfg_.rules, learner.pcfg_.probabilities, strict=True))
rows = [(str(rule), p, learned[rule]) for rule, p in zip(truth.rules, truth.probabilities, strict=True) if p < 1]
print(f"log-likelihood {learner.log_likelihood_curve_[0]:.1f} -> {learner.log_likelihood_curve_[-1]:.1f}")
for name, p, found in rows[:8]:
    print(f"  {name:<20} true {p:.2f}, learned {found:.2f}")

# %%
titles = [f"p = {np.exp(log_p):.3g}" for _, log_p in readings]
figure, axes = plt.subplots(1, 3, figsize=(16, 4.6), layout="constrained", width_ratios=(4, 4, 3))
TreeDisplay.from_trees([tree for tree, _ in readings], titles=titles, differ=True, axes=axes[:2])
axes[2].axline((0, 0), slope=1, color="#b0b7bf", linewidth=1)
axes[2].scatter([p for _, p, _ in rows], [found for _, _, found in rows], color="#2f6db5")
axes[2].set(xlabel="true probability", ylabel="learned from 300 sentences", title="Rules found without trees")
axes[2].spines[["top", "right"]].set_visible(False)
if picture:
    figure.savefig(picture, dpi=120)
else:
    plt.show()
