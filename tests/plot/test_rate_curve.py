"""The curve of a search for a learning rate."""

from types import SimpleNamespace

import numpy as np
import pytest
from matplotlib import pyplot as plt

from featlearn.plot import LearningRateDisplay

RATES = np.geomspace(1e-5, 10, 50)
LOSSES = 2.3 - 1.8 / (1 + 0.01 / RATES) + np.where(RATES > 1, RATES**6, 0)


@pytest.fixture(autouse=True)
def _no_screen():
    plt.switch_backend("Agg")
    yield
    plt.close("all")


def test_the_curve_and_what_is_suggested():
    search = SimpleNamespace(rates=RATES, losses=LOSSES + 0.1, smoothed=LOSSES, suggestion=0.02)
    display = LearningRateDisplay.from_search(search)
    np.testing.assert_array_equal(display.line_.get_xdata(), RATES)
    np.testing.assert_array_equal(display.line_.get_ydata(), LOSSES)
    raw, smoothed, mark = display.ax_.lines
    np.testing.assert_array_equal(raw.get_ydata(), LOSSES + 0.1)
    assert smoothed is display.line_
    assert list(mark.get_xdata()) == [0.02, 0.02]
    assert display.ax_.get_xscale() == "log"
    texts = [text.get_text() for text in display.ax_.get_legend().get_texts()]
    assert texts == ["loss of a batch", "smoothed", "suggested: 0.02"]
    low, high = display.ax_.get_ylim()
    assert low < LOSSES.min() < LOSSES[0] < high < 10  # what explodes is cut off


@pytest.mark.parametrize("losses", [[0.1], [1.0, 1.0, 1.0], [2.0, 1.0, np.inf], [np.nan, np.nan], [1.0, 2.0, 3.0]])
def test_short_constant_and_infinite_losses(losses):
    display = LearningRateDisplay(RATES[: len(losses)], losses).plot(plt.subplots()[1])
    display.figure_.canvas.draw()
    assert display.ax_.get_legend() is None


@pytest.mark.parametrize(
    ("rates", "losses", "message"),
    [
        ([], [], r"got shapes \(0,\)"),
        ([0.1, 0.2], [1.0], r"\(2,\) and \(1,\)"),
        ([0.0, 0.2], [1.0, 1.0], "above 0; got 0"),
    ],
)
def test_rates_that_cannot_be_drawn(rates, losses, message):
    with pytest.raises(ValueError, match=message):
        LearningRateDisplay(rates, losses).plot()


def test_no_search():
    with pytest.raises(TypeError, match=r"takes what find_learning_rate gives.*not list"):
        LearningRateDisplay.from_search([1.0])
