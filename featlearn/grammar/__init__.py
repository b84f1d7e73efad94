"""Sentences and trees: grammars, charts, and a parser learned from a treebank."""

from featlearn.grammar.binarization import binarize, unbinarize
from featlearn.grammar.brackets import BracketError, parse_tree, parse_trees, read_trees, write_trees
from featlearn.grammar.cfg import CFG, PCFG
from featlearn.grammar.constituents import ConstituentVectorizer
from featlearn.grammar.evalb import BracketScores, score_trees
from featlearn.grammar.parser import PCFGParser
from featlearn.grammar.toys import load_toy_grammar
from featlearn.grammar.tree import Tree
from featlearn.grammar.words import sentence_text, sentence_words

__all__ = [
    "CFG",
    "PCFG",
    "BracketError",
    "BracketScores",
    "ConstituentVectorizer",
    "PCFGParser",
    "Tree",
    "binarize",
    "load_toy_grammar",
    "parse_tree",
    "parse_trees",
    "read_trees",
    "score_trees",
    "sentence_text",
    "sentence_words",
    "unbinarize",
    "write_trees",
]
