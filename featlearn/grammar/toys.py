"""Toy grammars, as data.

``TELESCOPE``  a man, a woman and a telescope, with two trees for "the man saw the woman with the telescope". It is
               proper but not consistent: NP -> NP PP is so likely that most derivations never end, and the finite
               trees of S have probability 15/56 in all.
``PICNIC``     transitive sentences with prepositional phrases and coordination, for words of one class each.
"""

from featlearn.grammar.cfg import PCFG

TELESCOPE_TEXT = """\
S -> NP VP 1.0
VP -> Vi 0.4 | Vt NP 0.4 | VP PP 0.2
NP -> DT NN 0.3 | NP PP 0.7
PP -> P NP 1.0
Vi -> 'sleeps' 1.0
Vt -> 'saw' 1.0
NN -> 'man' 0.7 | 'woman' 0.2 | 'telescope' 0.1
DT -> 'the' 1.0
P -> 'with' 0.5 | 'in' 0.5
"""

PICNIC_TEXT = """\
S -> NP VP 1.0
NP -> Det N 0.45 | Name 0.25 | NP PP 0.2 | NP Conj NP 0.1
VP -> V NP 0.6 | V 0.15 | V NP PP 0.15 | VP Conj VP 0.1
PP -> P NP 1.0
Det -> 'the' 0.6 | 'a' 0.4
N -> 'basket' 0.3 | 'boy' 0.25 | 'dog' 0.25 | 'park' 0.2
Name -> 'Anna' 0.5 | 'Ben' 0.5
V -> 'saw' 0.4 | 'ate' 0.3 | 'carried' 0.3
P -> 'with' 0.5 | 'in' 0.3 | 'under' 0.2
Conj -> 'and' 1.0
"""


def load_toy_grammar(name: str = "telescope") -> PCFG:
    """A toy grammar.

    Parameters
    ----------
    name : {"telescope", "picnic"}, default="telescope"
        Which.

    Returns
    -------
    grammar : PCFG

    Examples
    --------
    >>> from featlearn.grammar.toys import load_toy_grammar
    >>> from fractions import Fraction
    >>> grammar = load_toy_grammar()
    >>> grammar.is_proper(), str(Fraction(grammar.mass()["S"]).limit_denominator(1000))
    (True, '15/56')
    """
    texts = {"telescope": TELESCOPE_TEXT, "picnic": PICNIC_TEXT}
    if name not in texts:
        raise ValueError(f"There is no toy grammar {name!r}; there are {', '.join(map(repr, texts))}.")
    return PCFG.from_text(texts[name])
