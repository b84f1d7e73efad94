"""How many sliding windows hold a word, and how many hold two words at once: exact, without looking at any window.

A document of n words has windows t = 0 .. max(n - size, 0), and window t holds positions t .. t + size - 1. A word
is in the window for stretches of time: a enters at s_a and leaves at e_a, so that

    a and b share    sum over their meetings of  min(e_a, e_b) - max(s_a, s_b)    windows

Only the word that leaves first has to count, once for each word still there: work is (words that matter) x (words in a
window), whatever the windows' number. A document shorter than a window is one window, and so is an empty one.
"""

import numpy as np

from featlearn.jit import njit


@njit(nogil=True, cache=True, inline="always")
def _leave(word, t, present, n_present, place, since, pairs):
    """Take the word out of the window at time t, and count the windows it shared; returns how many words stay."""
    n_present -= 1
    other = present[n_present]
    present[place[word]] = other
    place[other] = place[word]
    entered, row = since[word], pairs[word]
    row[word] += t - entered
    for i in range(n_present):
        other = present[i]
        row[other] += t - max(entered, since[other])
    return n_present


@njit(nogil=True, cache=True)
def count_windows(codes, lengths, size, pairs):
    """Windows of ``size`` words in documents, one after the other; returns their number.

    ``codes`` holds all words as integers, -1 for one that does not matter; ``lengths`` (D,) cut it into documents. To
    ``pairs`` (W, W) the windows that hold words a and b are added at [a, b] or [b, a], once, and those of a at [a, a].
    """
    n_words = pairs.shape[0]
    held = np.zeros(n_words, np.int64)  # how often a word stands in the window
    since = np.zeros(n_words, np.int64)
    place = np.zeros(n_words, np.int64)  # where it stands in `present`
    present = np.zeros(n_words, np.int64)
    n_present, windows, start = 0, 0, 0
    for d in range(lengths.shape[0]):
        n = lengths[d]
        end = max(n - size, 0) + 1
        for p in range(n):
            t = max(p - size + 1, 0)
            if p >= size:
                word = codes[start + p - size]
                if word >= 0:
                    held[word] -= 1
                    if held[word] == 0:
                        n_present = _leave(word, t, present, n_present, place, since, pairs)
            word = codes[start + p]
            if word >= 0:
                held[word] += 1
                if held[word] == 1:
                    since[word] = t
                    place[word] = n_present
                    present[n_present] = word
                    n_present += 1
        while n_present > 0:
            word = present[n_present - 1]
            held[word] = 0
            n_present = _leave(word, end, present, n_present, place, since, pairs)
        windows += end
        start += n
    return windows
