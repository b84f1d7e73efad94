"""Documents to their topics, for the topics command: learning, applying, and handing them to writers."""

import argparse
import warnings
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import chain, islice
from typing import Any

from featlearn.commands.report import Applied, Words, Writer

LOOKED_AT = 200  # documents, for their language
MOST_GROUPS = 200  # that the table and the page show
NO_GROUP = "(none)"


def cut(
    tokens: Callable[[list[str]], list], dropped: frozenset[str], words: Words, texts: list[str]
) -> list[list[str]]:
    """Texts to tokens without the words dropped; both are counted."""
    documents = tokens(texts)
    words.read += sum(map(len, documents))
    if not dropped:
        return documents
    kept = [[word for word in document if word.lower() not in dropped] for document in documents]
    words.stop += sum(map(len, documents)) - sum(map(len, kept))
    return kept


def learn(extractor: Any, texts: Any, arguments: argparse.Namespace, words: Words, *, progress: bool) -> Iterable:
    """Fit the extractor; its documents with their topics, of a stream in one more walk."""
    from sklearn.base import clone
    from sklearn.exceptions import ConvergenceWarning

    from featlearn.callbacks import ProgressBar
    from featlearn.text.stop_words import other_language
    from featlearn.topics.extractor import Tokens

    # Stop words are dropped here, where they can be counted; the extractor keeps the tokenizer that drops them.
    tokens_alone = Tokens([clone(extractor.tokenizer).set_params(stop_words=None)])
    tokens_of = partial(cut, tokens_alone, extractor.tokenizer.cut().dropped, words)
    held = isinstance(texts, list)
    tokens = tokens_of([record.text for record in texts]) if held else texts
    if held:
        as_written = clone(extractor.tokenizer).set_params(stop_words=None, lowercase=False)
        first = as_written.transform([record.text for record in texts[:LOOKED_AT]])
        if doubt := other_language(arguments.language, chain.from_iterable(first)):
            warnings.warn(doubt, stacklevel=1)
    if progress:
        extractor.set_callbacks(ProgressBar())
    with warnings.catch_warnings():
        # Whoever interrupts a command wants no half-learned files of it.
        warnings.filterwarnings("error", "LDA: interrupted", ConvergenceWarning)
        try:
            extractor.fit(tokens)
        except ConvergenceWarning:
            raise KeyboardInterrupt from None
    extractor.set_callbacks()  # a saved model carries no progress bar
    if held and arguments.topics > len(texts):
        warnings.warn(
            f"{arguments.topics:,} topics (-k) of {len(texts):,} documents: topics are what documents share, so most "
            "are noise. Take fewer.",
            stacklevel=1,
        )
    if not held:
        return walk(extractor, texts, tokens_of, words)
    if extractor.phrases_ is not None:
        tokens = extractor.phrases_.transform(tokens)
    words.df.update(chain.from_iterable(map(set, tokens)))
    topics = extractor.topics_
    return [applied_to(texts, tokens, topics.lengths, topics.proportions)]


def walk(
    extractor: Any, documents: Any, tokens_of: Callable[[list[str]], list[list[str]]], words: Words
) -> Iterator[Applied]:
    """Documents with their topics, a chunk at a time."""
    from featlearn.text.vocabulary import count_matrix
    from featlearn.topics.tables import as_proportions

    columns = {term: column for column, term in enumerate(extractor.terms_)}
    records = documents.records()
    while chunk := list(islice(records, documents.chunk)):
        tokens = tokens_of([record.text for record in chunk])
        if extractor.phrases_ is not None:
            tokens = extractor.phrases_.transform(tokens)
        words.df.update(chain.from_iterable(map(set, tokens)))
        counts = count_matrix(tokens, columns)
        proportions = as_proportions(extractor.model_.transform(counts), extractor.components_)
        yield applied_to(chunk, tokens, counts.sum(axis=1), proportions)


def applied_to(records: list, tokens: list[list[str]], known: Any, proportions: Any) -> Applied:
    """Documents with their topics; proportions that sum to 1."""
    import numpy as np

    known = np.asarray(known, dtype=np.int64).ravel()
    sums = proportions.sum(axis=1, keepdims=True)
    proportions = np.where(sums > 0, proportions / np.where(sums > 0, sums, 1), 1 / proportions.shape[1])
    return Applied(records, known, np.array(list(map(len, tokens)), dtype=np.int64) - known, proportions)


def gather(
    applied: Iterable[Applied],
    extractor: Any,
    arguments: argparse.Namespace,
    writers: list[Writer],
    words: Words,
    *,
    held: bool,
) -> tuple[Any, list[str] | None, list[str] | None]:
    """Hand every document to the writers; the topics with their sizes, and names and groups of the documents.

    Proportions are kept where something shows them, and texts if they are ``held`` in memory anyway.
    """
    import numpy as np

    from featlearn.topics.tables import Topics

    keep = arguments.date or arguments.groups or (arguments.out if arguments.model else held)
    kept: list[Applied] = []
    sizes = np.zeros(len(extractor.components_))
    n = total = 0
    for chunk in applied:
        for write in writers:
            write(chunk)
        n += len(chunk.records)
        total += int(chunk.known.sum())
        words.unknown += int(chunk.unknown.sum())
        words.wordless += int((chunk.known == 0).sum())
        sizes += chunk.known @ chunk.proportions
        if keep:
            kept.append(chunk if held else chunk._replace(records=[r._replace(text="") for r in chunk.records]))
    if words.wordless == n:
        raise ValueError(
            f"No word of the {n:,} documents is known to the model: it has learned from others, perhaps in another "
            "language. Learn from these."
        )
    if not kept:
        return Topics(extractor.components_, extractor.terms_, words=sizes * (total / sizes.sum())), None, None
    records = [record for chunk in kept for record in chunk.records]
    topics = Topics(
        extractor.components_,
        extractor.terms_,
        proportions=np.concatenate([chunk.proportions for chunk in kept]),
        lengths=np.concatenate([chunk.known for chunk in kept]).astype(np.float64),
        documents=[record.text for record in records] if held else None,
    )
    return topics, [record.id for record in records], labels_of(records, arguments)


def labels_of(records: list, arguments: argparse.Namespace) -> list[str] | None:
    """The group of each document: its label, or the period of its date."""
    if arguments.groups:
        labels = [NO_GROUP if record.group is None else " ".join(record.group.split()) for record in records]
        option = f"--groups {arguments.groups}"
    elif arguments.date:
        from featlearn.text.dates import periods

        labels, _, unknown = periods([record.date for record in records])
        option = f"--date {arguments.date}"
        if unknown == len(records):
            first = next((record.date for record in records if record.date), None)
            raise ValueError(
                f"{option}: {'it is empty' if first is None else f'{first!r} is no date'}, and so all others. Dates "
                "are written as 2024-01-31; for labels there is --groups."
            )
    else:
        return None
    if (n := len(set(labels))) > MOST_GROUPS:
        raise ValueError(
            f"{option} has {n:,} different values, and at most {MOST_GROUPS} can be shown. Choose another column."
        )
    return labels
