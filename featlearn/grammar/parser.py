"""A parser learned from a treebank, or from raw sentences and a grammar to begin with.

Count, the default. A tree is binarized, every symbol told apart by its parents (`vertical`) and its next siblings
(`horizontal`), and a grammar of greatest likelihood is read off (`featlearn.grammar.model`).

Inside-outside, `method="em"`: from sentences alone, the probabilities of a given grammar are raised to a local maximum
of the likelihood of the sentences (`featlearn.grammar.inside_outside`).

A sentence's tree is the one of greatest probability (CKY, `featlearn.grammar.chart`), its symbols turned back into the
labels of the treebank. A sentence that has none gets a flat tree, its words under their likeliest tags, under the
likeliest root, and a warning says so.

Papers: Johnson (1998), "PCFG models of linguistic tree representations"; Klein & Manning (2003), "Accurate
unlexicalized parsing".
"""

from collections.abc import Callable
from functools import partial
from typing import Any, ClassVar, Self

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.exceptions import NotFittedError

from featlearn.callbacks import CallbackSupportMixin, end_iteration
from featlearn.fitting import fitting
from featlearn.grammar.annotations import ANNOTATIONS
from featlearn.grammar.cfg import CFG, PCFG, as_pcfg, is_nltk
from featlearn.grammar.chart import Parse, inside, k_best, parse_batch
from featlearn.grammar.compiled import CompiledGrammar, compile_grammar
from featlearn.grammar.coverage import reasons, report_failures
from featlearn.grammar.evalb import BracketScores, score_trees
from featlearn.grammar.inputs import as_sentences, as_trees, as_words, cutter, same_words, sentences_of
from featlearn.grammar.inside_outside import ExpectedCounts, e_step, m_step, pcfg_of
from featlearn.grammar.model import TreebankModel, WrittenModel, count_treebank, flat_tree
from featlearn.grammar.tree import Tree
from featlearn.notices import interruptible, notify, warn_at_limit
from featlearn.streaming import accumulate, is_out_of_core, require_many_passes
from featlearn.validation import COMMON, boolean, check_argument, check_parameters, integer, one_of, optional, real

SENTENCES = 32  # of a chunk for inside-outside
FAILED = 0.1  # share of sentences without a tree that a score is silent about, being lower for them


def expect(chunk: Any, grammar: CompiledGrammar, cut: Callable[[str], list[str]]) -> ExpectedCounts:
    """The statistic of one chunk of sentences for inside-outside."""
    return e_step(as_sentences(chunk, cut), grammar)


def _annotation_names(value: Any) -> str | None:
    if isinstance(value, str):
        return one_of("all")(value)
    if isinstance(value, (tuple, list)) and all(name in ANNOTATIONS for name in value):
        return None
    return f"'all' or a tuple of {', '.join(map(repr, ANNOTATIONS))}"


def _grammar(value: Any) -> str | None:
    good = isinstance(value, (CFG, str)) or (is_nltk(value) and not isinstance(value, type))
    return None if good else "a PCFG or CFG, the text of one (PCFG.from_text says how it is written), or one of NLTK"


def _tokenizer(value: Any) -> str | None:
    return (
        None if callable(value) or one_of("treebank", "blanks")(value) is None else "'treebank', 'blanks' or a callable"
    )


class PCFGParser(CallbackSupportMixin, BaseEstimator):
    """A parser of sentences, learned from trees; or a given grammar, as it is or improved on raw sentences.

    Parameters
    ----------
    horizontal : int or None, default=2
        How many of the siblings to come a symbol within a constituent knows; None: all.
    vertical : int, default=2
        Labels on the way up that a symbol knows, its own included: 1 none but its own, 2 its parent.
    factor : {"right", "left"}, default="right"
        Whether binarization splits off the first child first, or the last.
    unaries : {"keep", "collapse"}, default="keep"
        Whether chains of single children are rules, or one symbol.
    annotate_tags : bool, default=False
        Whether tags know their parents too.
    annotations : tuple of str or "all", default=()
        Splits of symbols by what is below them, from `featlearn.grammar.annotations`: ``"verb"``, ``"right_np"`` ...
    unknown : {"morphology", "shape", "single"}, default="morphology"
        How unknown words are told apart: by ending, capitals, digits, hyphen and place; without endings; not at all.
    rare : int, default=5
        Words seen at most that often teach what unknown words are, and learn from others that look alike.
    prior, tag_prior : float, default=0.3 and 50.0
        How much, in words, classes of words weigh against a rare word's own counts, and a tag without its context
        against the tag in it.
    method : {"count", "em"}, default="count"
        Count rules in trees, or improve ``grammar`` on sentences by inside-outside.
    grammar : PCFG, str, nltk.PCFG or None, default=None
        A grammar, or its text as `PCFG.from_text` reads it. With it the parser parses without a fit (or after
        ``fit()``, which compiles it once for all); with ``method="em"`` it is where learning begins. Its trees have its
        symbols as labels.
    beam : float or None, default=None
        Drop what is worse than the best of its span by more than this log-probability; None searches exactly.
    max_iter : int, default=50
        Most iterations of ``method="em"``.
    tol : float, default=1e-5
        Stop when the log-likelihood rises by less than this fraction of its size in an iteration.
    n_jobs : int or None, default=None
        Threads; None takes every core this process may use. No effect on the result.
    tokenizer : {"treebank", "blanks"} or callable, default="treebank"
        What cuts sentences that are strings into words; lists of words are never cut. "treebank": the Penn Treebank's
        rules and signs (`featlearn.grammar.words`: ``do n't``, ``-LRB-``, the period by itself), where words that the
        grammar knows stay as they are; "blanks": at blanks only; a callable takes a string and gives a list of words.

    Attributes
    ----------
    grammar_ : CompiledGrammar
        The grammar in use; its ``symbols``, ``binary`` and ``unary`` rules with log-probabilities.
    lexicon_ : Lexicon or None
        P(word | tag) and the unknown classes; None for a given grammar, whose own rules hold the words.
    pcfg_ : PCFG or None
        The grammar that was given or learned by ``method="em"``; None for ``method="count"``.
    log_likelihood_curve_ : array (n_iter_ + 1,)
        ``method="em"``: the log-likelihood of the sentences, before the first iteration and after each.
    n_iter_ : int
        ``method="em"``: iterations.

    Raises
    ------
    ValueError
        For a parameter out of range, a tree over other words than its sentence, a tree with a word beside others, no
        tree, a grammar missing where one is needed, or sentences none of which the grammar generates.
    TypeError
        For sentences or trees of another type.

    Warns
    -----
    ConvergenceWarning
        ``method="em"``: if ``max_iter`` ended the fit before ``tol`` did, or an interrupt (Ctrl-C) did, which keeps the
        grammar of the last whole iteration.
    UserWarning
        Once for each call: if sentences have no tree, how many of them, and the words that no rule covers.

    See Also
    --------
    PCFG : Grammars.
    score_trees : Scores as evalb does.
    ConstituentVectorizer : Features from trees.

    Notes
    -----
    Sentences are strings, cut by ``tokenizer``, or lists of words; trees are `Tree` or strings in brackets. What the
    trees have, predictions have: remove traces and functional tags from a treebank first
    (`featlearn.grammar.transforms`, whose ``plain_words`` turns ``-LRB-`` into a bracket).

    Every sentence gets a tree. One that the grammar does not generate gets a flat tree, and its log-probability is
    -inf. An empty sentence gets None, for a tree has words; its log-probability is -inf too. A warning tells of both.

    Time grows with the cube of a sentence's words, memory with their square: with a grammar of the Penn Treebank 250
    words take a second and some 250 MB.

    References
    ----------
    Johnson (1998), "PCFG models of linguistic tree representations". Klein & Manning (2003), "Accurate unlexicalized
    parsing".

    Examples
    --------
    >>> from featlearn.grammar.parser import PCFGParser
    >>> parser = PCFGParser().fit([
    ...     "(S (NP (DT the) (NN dog)) (VP (VBD saw) (NP (DT a) (NN cat))))",
    ...     "(S (NP (DT a) (NN man)) (VP (VBD slept)))",
    ... ])
    >>> parser.predict(["the cat slept"])
    [(S (NP (DT the) (NN cat)) (VP (VBD slept)))]

    A grammar written by hand, and all trees of a sentence:

    >>> from featlearn.grammar.toys import load_toy_grammar
    >>> parser = PCFGParser(grammar=load_toy_grammar("telescope"))
    >>> for tree, log_p in parser.parse("the man saw the woman with the telescope", k=5):
    ...     print(f"{np.exp(log_p):.4g}")
    5.292e-05
    1.512e-05
    """

    _rules: ClassVar = {
        "horizontal": optional(integer(0)),
        "vertical": integer(1),
        "factor": one_of("right", "left"),
        "unaries": one_of("keep", "collapse"),
        "annotate_tags": boolean(),
        "annotations": _annotation_names,
        "unknown": one_of("morphology", "shape", "single"),
        "rare": integer(1),
        "prior": real(above=0),
        "tag_prior": real(above=0),
        "method": one_of("count", "em"),
        "grammar": optional(_grammar),
        "beam": optional(real(above=0)),
        "max_iter": integer(1),
        "tol": real(0),
        "tokenizer": _tokenizer,
    }

    def __init__(
        self,
        horizontal: int | None = 2,
        vertical: int = 2,
        *,
        factor: str = "right",
        unaries: str = "keep",
        annotate_tags: bool = False,
        annotations=(),
        unknown: str = "morphology",
        rare: int = 5,
        prior: float = 0.3,
        tag_prior: float = 50.0,
        method: str = "count",
        grammar: Any = None,
        beam: float | None = None,
        max_iter: int = 50,
        tol: float = 1e-5,
        n_jobs: int | None = None,
        tokenizer: str | Callable[[str], list[str]] = "treebank",
    ):
        self.horizontal = horizontal
        self.vertical = vertical
        self.factor = factor
        self.unaries = unaries
        self.annotate_tags = annotate_tags
        self.annotations = annotations
        self.unknown = unknown
        self.rare = rare
        self.prior = prior
        self.tag_prior = tag_prior
        self.method = method
        self.grammar = grammar
        self.beam = beam
        self.max_iter = max_iter
        self.tol = tol
        self.n_jobs = n_jobs
        self.tokenizer = tokenizer

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = False
        tags.input_tags.string = True
        return tags

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "model_") or (self.grammar is not None and self.method == "count")

    def _given(self) -> PCFG | None:
        """The grammar that is given, or None."""
        try:
            return None if self.grammar is None else as_pcfg(self.grammar)
        except ValueError as error:
            shown = str(self.grammar).strip()
            shown = shown if len(shown) <= 40 else f"{shown[:40]}..."
            raise ValueError(f"PCFGParser: grammar={shown!r} is not valid. {error}") from error

    @fitting(lambda self, X: self.max_iter if self.method == "em" else 1)
    def fit(self, X: Any = None, y: Any = None) -> Self:
        """Learn the grammar.

        Parameters
        ----------
        X : list of trees, or list of sentences, stream of lists, or Dask bag of trees
            Trees, or with ``y`` the sentences they are of. A stream is an iterator of lists of trees, or of pairs
            (sentences, trees), or a function that returns one. With ``method="em"`` sentences, in a list or a function
            that returns iterators of lists. None adopts ``grammar`` as it is.
        y : list of trees or None, default=None
            The trees of the sentences ``X``.

        Returns
        -------
        self
        """
        pcfg = self._given()
        if self.method == "em":
            return self._fit_em(X, pcfg)
        if X is None:
            if pcfg is None:
                raise ValueError(
                    "PCFGParser: there is nothing to fit; pass trees, or a grammar: PCFGParser(grammar=...)."
                )
            self._adopt(WrittenModel(compile_grammar(pcfg), pcfg.start), pcfg)
            return self
        if pcfg is not None:
            raise ValueError(
                "PCFGParser: with method='count' a grammar is either given or learned from trees. Call fit() without "
                "trees to adopt the one given, drop grammar=, or pass method='em' to improve it on sentences."
            )
        options = {
            "horizontal": self.horizontal,
            "vertical": self.vertical,
            "factor": self.factor,
            "unaries": self.unaries,
            "annotate_tags": self.annotate_tags,
        }
        names = ANNOTATIONS if isinstance(self.annotations, str) else tuple(self.annotations)
        statistic = partial(count_treebank, annotations=names, options=options, tokenizer=self.tokenizer)
        counts = accumulate(statistic, X, n_jobs=1) if y is None else accumulate(statistic, X, y, n_jobs=1)
        model = TreebankModel.of(
            counts, unknown=self.unknown, rare=self.rare, prior=self.prior, tag_prior=self.tag_prior
        )
        end_iteration(self, {"n_rules": float(len(counts.rules.rules))})
        self._adopt(model, None)
        return self

    def _fit_em(self, X, pcfg):
        """Inside-outside until the likelihood settles."""
        if pcfg is None:
            raise ValueError("PCFGParser: method='em' begins with a grammar; pass grammar=PCFG.from_text(...), say.")
        if X is None:
            raise ValueError("PCFGParser: method='em' learns from sentences; pass a list of them to fit.")
        require_many_passes(X, "PCFGParser with method='em'")
        grammar = compile_grammar(pcfg)
        cut = cutter(self.tokenizer, frozenset(grammar.words))
        X = X if is_out_of_core(X) else as_sentences(X, cut)
        counts = accumulate(partial(expect, grammar=grammar, cut=cut), X, n_jobs=self.n_jobs, rows=SENTENCES)
        if counts.n_sentences == 0:
            raise ValueError(
                f"PCFGParser: the grammar generates none of the {counts.n_left_out} sentences, so there is nothing to "
                "learn. Give it rules for their words and constructions. "
                + reasons(WrittenModel(grammar, pcfg.start), counts.left_out)
            )
        kept, settled = (grammar, counts, [counts.log_likelihood]), False  # of the last whole iteration
        with interruptible("PCFGParser", lambda: len(kept[2]) - 1):
            for _ in range(self.max_iter):
                grammar = m_step(*kept[:2])
                counts = accumulate(partial(expect, grammar=grammar, cut=cut), X, n_jobs=self.n_jobs, rows=SENTENCES)
                kept = grammar, counts, [*kept[2], counts.log_likelihood]
                before, now = kept[2][-2:]
                settled = end_iteration(self, {"log_likelihood": now}) or now - before <= self.tol * abs(before)
                if settled:
                    break
        grammar, counts, curve = kept
        if len(curve) > self.max_iter and not settled and self.tol > 0:
            gain = (curve[-1] - curve[-2]) / abs(curve[-2])
            reached = f"the log-likelihood still rose by {gain:.2g} of itself in the last of them"
            warn_at_limit("PCFGParser", self.max_iter, self.tol, reached)
        self._adopt(WrittenModel(grammar, pcfg.start), pcfg_of(grammar))
        self.log_likelihood_curve_, self.n_iter_ = np.array(curve), len(curve) - 1
        self.n_left_out_ = counts.n_left_out
        if counts.n_left_out:
            notify(
                f"PCFGParser: the grammar does not generate {counts.n_left_out:,} of "
                f"{counts.n_left_out + counts.n_sentences:,} sentences; they were left out. "
                + reasons(self.model_, counts.left_out)
            )
        return self

    def _adopt(self, model, pcfg):
        for name in ("log_likelihood_curve_", "n_iter_", "n_left_out_"):
            self.__dict__.pop(name, None)
        self.model_, self.pcfg_ = model, pcfg
        self.grammar_, self.lexicon_ = model.grammar, getattr(model, "lexicon", None)

    def _fitted(self) -> TreebankModel | WrittenModel:
        if hasattr(self, "model_"):
            return self.model_
        if self.grammar is None or not self.__sklearn_is_fitted__():
            raise NotFittedError("This PCFGParser is not fitted yet; call fit with trees, or pass it a grammar.")
        check_parameters(self)
        pcfg = self._given()
        assert pcfg is not None
        return WrittenModel(compile_grammar(pcfg), pcfg.start)

    def _cut(self, model: TreebankModel | WrittenModel) -> Callable[[str], list[str]]:
        return cutter(self.tokenizer, model.words)

    def _parses(self, model: TreebankModel | WrittenModel, sentences: list[list[str]]) -> list[Parse]:
        """The best parse of each sentence, (-inf, None) where there is none; trees have the treebank's labels."""
        check_argument("PCFGParser", "n_jobs", self.n_jobs, COMMON["n_jobs"])
        lexicals = [model.lexical(words) for words in sentences]
        found = parse_batch(model.grammar, lexicals, sentences, n_jobs=self.n_jobs, beam=self.beam)
        return [p if p.tree is None else Parse(p.log_proba, model.plain(p.tree)) for p in found]

    def predict(self, X: Any) -> list[Tree | None]:
        """The best tree of each sentence; a flat one where the grammar has none, and None for no words.

        Parameters
        ----------
        X : list of sentences
            Strings, which ``tokenizer`` cuts, or lists of words.

        Returns
        -------
        trees : list of Tree
            With the labels of the treebank.
        """
        model = self._fitted()
        sentences = as_sentences(X, self._cut(model))
        parses = self._parses(model, sentences)
        _report(model, sentences, parses)
        return [p.tree or flat_tree(model, words) for p, words in zip(parses, sentences, strict=True)]

    def predict_log_proba(self, X: Any) -> np.ndarray:
        """log p(tree, sentence) of the best tree of each sentence.

        The product of the probabilities of all rules of its derivation, those of its words included, in natural logs;
        a word that is unknown enters with the probability of its class. -inf for sentences that the grammar does not
        generate, whose predicted tree is flat, and for empty ones.

        Parameters
        ----------
        X : list of sentences
            As for `predict`.

        Returns
        -------
        log_proba : array (n_sentences,)
        """
        model = self._fitted()
        sentences = as_sentences(X, self._cut(model))
        parses = self._parses(model, sentences)
        _report(model, sentences, parses)
        return np.array([p.log_proba for p in parses], dtype=float)

    def inside_log_proba(self, sentence: Any) -> float:
        """log p(sentence), all its trees together; -inf without any.

        Parameters
        ----------
        sentence : str or list of str
            A string is cut by ``tokenizer``.
        """
        model = self._fitted()
        words = as_words(sentence, cut=self._cut(model))
        value = inside(model.grammar, model.lexical(words))
        report_failures(model, [words] if value == -np.inf else [], 1)
        return value

    def parse(self, sentence: Any, k: int = 1) -> list[tuple[Tree, float]]:
        """The k best trees of one sentence with log p(tree, sentence), best first; fewer if there are fewer.

        Parameters
        ----------
        sentence : str or list of str
            A string is cut by ``tokenizer``.
        k : int, default=1
            How many, at least 1.

        Returns
        -------
        trees : list of (Tree, float)
            All different: where several derivations over symbols give one tree, as ``annotations`` allow, it comes
            once, with the best of them. A unary chain may go around a cycle of rules any number of times, and each
            time makes another tree. A flat tree with -inf if the grammar does not generate the sentence; empty for no
            words. The search is exact for k > 1, whatever ``beam`` is.
        """
        check_argument("PCFGParser.parse", "k", k, integer(1))
        model = self._fitted()
        words = as_words(sentence, cut=self._cut(model))
        if k == 1:
            found = self._parses(model, [words])
        else:
            found = k_best(model.grammar, model.lexical(words), k, words, model.plain)
        report_failures(model, [] if found and found[0].tree is not None else [words], 1)
        trees = [(p.tree, p.log_proba) for p in found if p.tree is not None]
        if trees:
            return trees
        flat = flat_tree(model, words)
        return [] if flat is None else [(flat, -np.inf)]

    def evaluate(self, X: Any, y: Any = None, *, max_words: int | None = None) -> BracketScores:
        """All scores of the predicted trees against the treebank's: `featlearn.grammar.evalb`.

        Parameters
        ----------
        X : list of sentences, or of trees
            Trees if ``y`` is None; their words are parsed.
        y : list of trees or None, default=None
            The right trees.
        max_words : int or None, default=None
            Leaves out longer sentences, and does not parse them.

        Returns
        -------
        scores : BracketScores
            Sentences that the grammar does not generate are counted in ``n_failed``, without a warning.
        """
        return self._evaluated(X, y, max_words)[0]

    def _evaluated(self, X, y, max_words=None):
        """The scores; the model, the sentences and their parses."""
        gold = as_trees(X if y is None else y)
        sentences = [tree.words() for tree in gold] if y is None else sentences_of(X, gold, self.tokenizer)
        same_words(sentences, gold)
        check_argument("PCFGParser.evaluate", "max_words", max_words, optional(integer(1)))
        if max_words is not None:
            gold = [tree for tree, words in zip(gold, sentences, strict=True) if len(words) <= max_words]
            sentences = [words for words in sentences if len(words) <= max_words]
        model = self._fitted()
        found = self._parses(model, sentences)
        return score_trees(gold, [p.tree for p in found]), model, sentences, found

    def score(self, X: Any, y: Any = None) -> float:
        """Labeled bracket F1, 0 to 1, of the predicted trees; parameters as of `evaluate`.

        A sentence without a tree has no right bracket, and lowers it; a warning tells where a tenth or more have none.
        """
        scores, *parsed = self._evaluated(X, y)
        if scores.n_failed >= FAILED * scores.n_sentences:
            _report(*parsed)
        return scores.f1


def _report(model: TreebankModel | WrittenModel, sentences: list[list[str]], parses: list[Parse]) -> None:
    """Warn of the sentences that have no tree."""
    failed = [words for words, parse in zip(sentences, parses, strict=True) if parse.tree is None]
    report_failures(model, failed, len(sentences))
