"""A parser trained on a treebank
=================================

A grammar read off trees as they are parses poorly: a noun phrase expands alike wherever it stands. Symbols that know
their parents, and symbols split by what is below them, parse better with the same trees. Words never seen are told
apart by ending, capitals and digits.

Shows: `PCFGParser` with and without context, `evaluate`, `parse` with alternatives, `lexicon_`. The trees are those of
the Penn Treebank sample if the data home has it (treebank/), else drawn from a toy grammar. Give a file name ending in
.png to keep the picture:

    python examples/plot_parser_treebank.py parser.png
"""

# %%
import sys
from itertools import pairwise
from time import perf_counter

import numpy as np
from matplotlib import pyplot as plt

from featlearn.datasets import DatasetNotFoundError, load_treebank
from featlearn.grammar.evalb import score_trees
from featlearn.grammar.parser import PCFGParser
from featlearn.grammar.toys import load_toy_grammar
from featlearn.plot.trees import TreeDisplay

picture = next((argument for argument in sys.argv[1:] if argument.endswith(".png")), None)

# %%
# The trees: the last 150 of up to 25 words are kept to judge by.
try:
    trees = load_treebank()
    sentence = "Mr. Zorpel quickly sold the unprofitable division to a group of investors in 1993 ."
except DatasetNotFoundError as error:
    print(f"{error}\nTrees of a toy grammar instead.")
    rng, grammar = np.random.RandomState(0), load_toy_grammar("picnic")
    trees = [grammar.sample(rng) for _ in range(2000)]
    sentence = "Zorpel saw the dog with a basket in the park"
train, held_out = trees[:3000], [tree for tree in trees[3000:] or trees[1500:] if 3 <= len(tree) <= 25][-150:]
train = train if len(trees) > 3000 else trees[:1500]
print(f"{len(train)} trees to learn from, {len(held_out)} to judge by")

# %%
# Three grammars of the same trees.
parsers = {
    "as the trees are": PCFGParser(vertical=1, horizontal=None),
    "with parents": PCFGParser(vertical=2, horizontal=2),
    "and split symbols": PCFGParser(vertical=2, horizontal=2, annotate_tags=True, annotations="all"),
}
predicted = {}
for name, parser in parsers.items():
    parser.fit(train)
    started = perf_counter()
    predicted[name] = parser.predict([tree.words() for tree in held_out])
    seconds = perf_counter() - started
    scores = score_trees(held_out, predicted[name])
    print(
        f"{name:<18} F1 {100 * scores.f1:5.1f} %, tags {100 * scores.tagging_accuracy:.1f} %, "
        f"{len(parser.grammar_.binary):6d} binary rules, {len(held_out) / seconds:4.0f} sentences/s"
    )

# %%
# The best tree of a sentence with a word that no one has seen, and what the parser thinks the word is.
tree, log_p = parser.parse(sentence)[0]
print(tree.ascii())
unseen = next(word for word in sentence.split() if not parser.lexicon_.is_known(word))
guesses = ", ".join(tag for tag, _ in parser.lexicon_.guess(unseen)[:3])
print(f"log p(tree, sentence) = {log_p:.1f}; {unseen!r} may be: {guesses}")

# %%
# Longer sentences are harder.
figure, (above, below) = plt.subplots(2, 1, figsize=(11, 8), layout="constrained", height_ratios=(3, 2))
TreeDisplay.from_tree(tree, title="Best tree", ax=above)
edges = [0, 8, 12, 16, 20, 25]
for (name, guessed), color in zip(predicted.items(), ("#b0b7bf", "#2f6db5", "#c8553d"), strict=True):
    pairs = list(zip(held_out, guessed, strict=True))
    f1 = []
    for low, high in pairwise(edges):
        inside = [(gold, test) for gold, test in pairs if low < len(gold) <= high]
        f1.append(100 * score_trees(*zip(*inside, strict=True)).f1 if inside else np.nan)
    below.plot(range(len(f1)), f1, "o-", color=color, label=name)
below.set_xticks(range(len(edges) - 1), [f"{low + 1}-{high}" for low, high in pairwise(edges)])
below.set(xlabel="words", ylabel="labeled bracket F1, %")
below.spines[["top", "right"]].set_visible(False)
below.legend(frameon=False)
if picture:
    figure.savefig(picture, dpi=120)
else:
    plt.show()
