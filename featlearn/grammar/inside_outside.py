"""Inside-outside: a grammar's probabilities learned from raw sentences.

Over sentences w and their trees, with c(r | w) the expected count of rule r among the trees of w under the present
probabilities and lhs(r) its left side,

    E    c(r) = sum_w c(r | w)              log L = sum_w log p(w)
    M    p(r) = c(r) / sum_{r': lhs(r') = lhs(r)} c(r')

No step lowers log L. A rule of probability 0 keeps it; a symbol that no tree uses keeps its probabilities. Sentences
that the grammar does not generate teach nothing and are left out; they stay so, and the others stay in.

Papers: Baker (1979), "Trainable grammars for speech recognition"; Lari & Young (1990), "The estimation of stochastic
context-free grammars using the inside-outside algorithm".
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from featlearn.grammar.cfg import PCFG
from featlearn.grammar.chart import expected_counts
from featlearn.grammar.compiled import SPLICED, CompiledGrammar
from featlearn.grammar.rules import Rule, Word

KEPT = 100  # sentences left out that are kept, to say what is missing


@dataclass(frozen=True)
class ExpectedCounts:
    """Expected counts over sentences, of binary (R2,) and unary rules (R1,) and of words under symbols; they add.

    ``words`` holds those of each word, aligned with `CompiledGrammar.words`. ``n_sentences`` counts the sentences that
    the grammar generates, and ``n_left_out`` the others, the first `KEPT` of which are in ``left_out``.
    """

    log_likelihood: float
    n_sentences: int
    n_left_out: int
    binary: np.ndarray
    unary: np.ndarray
    words: dict[str, np.ndarray]
    left_out: tuple[tuple[str, ...], ...] = ()

    def __add__(self, other: "ExpectedCounts") -> "ExpectedCounts":
        words = dict(self.words)
        for word, counts in other.words.items():
            words[word] = words[word] + counts if word in words else counts
        return ExpectedCounts(
            self.log_likelihood + other.log_likelihood,
            self.n_sentences + other.n_sentences,
            self.n_left_out + other.n_left_out,
            self.binary + other.binary,
            self.unary + other.unary,
            words,
            (self.left_out + other.left_out)[:KEPT],
        )


def e_step(sentences: Sequence[Sequence[str]], grammar: CompiledGrammar) -> ExpectedCounts:
    """The statistic of one chunk of sentences under the present probabilities."""
    binary, unary = np.zeros(len(grammar.binary)), np.zeros(len(grammar.unary))
    words: dict[str, np.ndarray] = {}
    log_likelihood, n_sentences = 0.0, 0
    left_out: list[tuple[str, ...]] = []
    for sentence in sentences:
        found = expected_counts(grammar, grammar.lexical(sentence))
        if found.log_proba == -np.inf:
            left_out.append(tuple(sentence))
            continue
        log_likelihood += found.log_proba
        n_sentences += 1
        binary += found.binary
        unary += found.unary
        for word, counts in zip(sentence, found.lexical, strict=True):
            words[word] = words[word] + counts if word in words else counts
    kept = tuple(left_out[:KEPT])
    return ExpectedCounts(log_likelihood, n_sentences, len(left_out), binary, unary, words, kept)


def m_step(grammar: CompiledGrammar, counts: ExpectedCounts) -> CompiledGrammar:
    """The grammar of greatest likelihood given expected counts; rules that are never used go."""
    totals = np.zeros(len(grammar.symbols))
    np.add.at(totals, grammar.binary[:, 0], counts.binary)
    np.add.at(totals, grammar.unary[:, 0], counts.unary)
    for word, values in counts.words.items():
        np.add.at(totals, grammar.words[word][0], values)
    used = totals > 0
    log_totals = np.log(np.where(used, totals, 1.0))

    def learned(symbols, values, before):
        with np.errstate(divide="ignore"):
            return np.where(used[symbols], np.minimum(np.log(values) - log_totals[symbols], 0.0), before)

    binary = learned(grammar.binary[:, 0], counts.binary, grammar.binary_log_proba)
    unary = learned(grammar.unary[:, 0], counts.unary, grammar.unary_log_proba)
    words = {}
    for word, (symbols, before) in grammar.words.items():
        values = learned(symbols, counts.words.get(word, np.zeros(len(symbols))), before)
        kept = values > -np.inf
        words[word] = (symbols[kept], values[kept])
    left2, left1 = binary > -np.inf, unary > -np.inf
    return replace(
        grammar,
        binary=np.ascontiguousarray(grammar.binary[left2]),
        binary_log_proba=binary[left2],
        unary=np.ascontiguousarray(grammar.unary[left1]),
        unary_log_proba=unary[left1],
        words=words,
    )


def pcfg_of(grammar: CompiledGrammar) -> PCFG:
    """The rules of a compiled `PCFG`, with the right sides that were split whole again."""
    spliced = grammar.kind == SPLICED
    parts: dict[int, tuple] = {}  # of a symbol of ours: a word, or two symbols
    for word, (symbols, _) in grammar.words.items():
        parts.update({int(s): (Word(word),) for s in symbols if spliced[s]})
    parts.update({int(x): (int(y), int(z)) for x, y, z in grammar.binary if spliced[x]})

    def side(children) -> tuple:
        found, stack = [], list(reversed(children))
        while stack:
            part = stack.pop()
            if isinstance(part, Word):
                found.append(part)
            elif spliced[part]:
                stack.extend(reversed(parts[part]))
            else:
                found.append(grammar.symbols[part])
        return tuple(found)

    rules = []
    for table, values in ((grammar.binary, grammar.binary_log_proba), (grammar.unary, grammar.unary_log_proba)):
        for (lhs, *children), value in zip(table.tolist(), values.tolist(), strict=True):
            if not spliced[lhs]:
                rules.append((Rule(grammar.symbols[lhs], side(children)), value))
    for word, (symbols, values) in grammar.words.items():
        for s, value in zip(symbols.tolist(), values.tolist(), strict=True):
            if not spliced[s]:
                rules.append((Rule(grammar.symbols[s], (Word(word),)), value))
    return PCFG({rule: float(np.exp(value)) for rule, value in rules}, grammar.symbols[grammar.start], normalize=None)
