"""What a grammar does not cover: symbols without rules, words without rules, sentences without a tree; in words."""

from collections.abc import Iterable, Sequence
from typing import Any

from featlearn.notices import notify

SHOWN = 8  # words, symbols named at most


def listed(names: Iterable[str]) -> str:
    """The names in quotes, the first `SHOWN` of them.

    Examples
    --------
    >>> from featlearn.grammar.coverage import listed
    >>> listed(["zorp"]), listed("abcdefghij")
    ("'zorp'", "'a', 'b', 'c', 'd', 'e', 'f', 'g', 'h' and 2 more")
    """
    names = list(names)
    more = len(names) - SHOWN
    return ", ".join(repr(name[:60]) for name in names[:SHOWN]) + (f" and {more:,} more" if more > 0 else "")


def report_symbols(grammar: Any) -> None:
    """Warn of symbols of a CFG that derivations come to and that have no rules: no sentence is derived through them."""
    reached = grammar.reachable()
    missing = [symbol for symbol in grammar.symbols if symbol in reached and symbol not in grammar.by_lhs]
    if not missing:
        return
    spare = [symbol for symbol in grammar.by_lhs if symbol not in reached]
    users = (str(rule) for rule in grammar.rules if missing[0] in rule.rhs and rule.lhs in reached)
    notify(
        f"The grammar has no rules for {listed(missing)}, so no sentence is derived through {next(users)}"
        + (" and the like" if len(missing) > 1 else "")
        + ". Add rules"
        + (f" (those of {listed(spare)} are never used)" if spare else "")
        + ", or quote what is a word."
    )


def without_rules(grammar: Any) -> list[str]:
    """The symbols of a compiled grammar that have neither rules nor words."""
    made = {*grammar.binary[:, 0].tolist(), *grammar.unary[:, 0].tolist()}
    made.update(int(s) for symbols, _ in grammar.words.values() for s in symbols)
    return [symbol for s, symbol in enumerate(grammar.symbols) if s not in made and not grammar.kind[s]]


def uncovered(model: Any, words: Sequence[str]) -> list[str]:
    """The words of a sentence that no rule of a parser's model covers, each once."""
    return list(
        dict.fromkeys(w for w, (symbols, _) in zip(words, model.lexical(words), strict=True) if not len(symbols))
    )


def reasons(model: Any, failed: Sequence[Sequence[str]]) -> str:
    """Why sentences have no tree: the words that no rule covers, and an example of covered ones."""
    missing = [uncovered(model, words) for words in failed]
    unknown = dict.fromkeys(word for words in missing for word in words)
    covered = [words for words, found in zip(failed, missing, strict=True) if words and not found]
    empty = sum(not words for words in failed)
    said = []
    if unknown:
        known = [word for word in unknown if uncovered(model, [word.lower()]) != [word.lower()]]
        case = f" (it has {listed(dict.fromkeys(w.lower() for w in known))} in lower case)" if known else ""
        said.append(f"No rule covers {listed(unknown)}{case}.")
    if covered:
        which = "The words" if len(failed) == 1 else f"In {len(covered)} of them all words"
        said.append(f"{which} are covered, and no tree spans them: {' '.join(covered[0])[:80]!r}.")
        lacking = without_rules(model.grammar) if not hasattr(model, "lexicon") else []
        if lacking:
            said.append(f"The grammar has no rules for {listed(lacking)}.")
    if empty:
        said.append(f"{'It holds' if len(failed) == 1 else f'{empty} of them hold'} no words.")
    return " ".join(said)


def report_failures(model: Any, failed: Sequence[Sequence[str]], n_sentences: int) -> None:
    """Warn once of all sentences of a call that have no tree."""
    if failed:
        flat = ", whose trees are flat and whose log-probabilities are -inf" if any(failed) else ""
        notify(
            f"PCFGParser: the grammar has no tree for {len(failed):,} of {n_sentences:,} sentences{flat}. "
            + reasons(model, failed)
        )
