"""Pooling: the sum, mean or maximum of a map over rectangular cells.

For maps z (n, height, width, k) and cells given by slices R_1..R_p of rows and C_1..C_q of columns,

    SumPool   out[i, a, b, c] = sum of z[i, y, x, c] over y in R_a, x in C_b
    MeanPool  the same divided by |R_a| |C_b|
    MaxPool   the same with max for sum

A grid splits an axis as `numpy.array_split` does, the longer cells first: 27 rows in 2 cells are 14 + 13. MATLAB users
beware: code that cuts at round(27 / 2), or at round(12.5) = 13 where Python rounds to 12, is another split.

Coates, Lee and Ng, "An analysis of single-layer networks in unsupervised feature learning", AISTATS 2011 (2 x 2 sums);
Boureau, Ponce and LeCun, "A theoretical analysis of feature pooling in visual recognition", ICML 2010 (mean and max).
"""

from itertools import pairwise
from typing import ClassVar

import numpy as np

from featlearn.images.maps import MapTransformer, axes_rule, finite, pair
from featlearn.validation import check_parameters, either, integer, optional

Cells = tuple[list[slice], list[slice]]


def split_axis(size: int, parts: int) -> list[slice]:
    """``parts`` slices that cover ``size`` places; the first ``size % parts`` are longer by one."""
    length, longer = divmod(size, parts)
    ends = [part * length + min(part, longer) for part in range(parts + 1)]
    return [slice(start, stop) for start, stop in pairwise(ends)]


def slide_axis(size: int, window: int, step: int) -> list[slice]:
    """Slices of ``window`` places, one every ``step``; one that would not fit whole is dropped."""
    return [slice(start, start + window) for start in range(0, size - window + 1, step)]


def pool(maps: np.ndarray, cells: Cells, reduce: np.ufunc) -> np.ndarray:
    """Reduce maps (n, height, width, k) over cells with ``np.add`` or ``np.maximum``: (n, rows, columns, k).

    Rows first, then columns, in order and in the maps' dtype, so no chunk size changes a bit of the result.
    """
    for axis, slices in zip((1, 2), cells, strict=True):
        shape = list(maps.shape)
        shape[axis] = len(slices)
        out = np.empty(shape, dtype=maps.dtype)
        source, target = np.moveaxis(maps, axis, 0), np.moveaxis(out, axis, 0)
        for place, cell in enumerate(slices):
            target[place] = source[cell.start]
            for i in range(cell.start + 1, cell.stop):
                reduce(target[place], source[i], out=target[place])
        maps = out
    return maps


class _Pool(MapTransformer):
    """What the three pools share: the cells."""

    _rules: ClassVar = dict.fromkeys(("grid", "window", "step"), optional(either(integer(1), axes_rule(2))))

    def __init__(
        self,
        grid: int | tuple[int, int] | None = None,
        *,
        window: int | tuple[int, int] | None = None,
        step: int | tuple[int, int] | None = None,
    ):
        self.grid = grid
        self.window = window
        self.step = step

    def _check_together(self):
        who = type(self).__name__
        if self.grid is not None and self.window is not None:
            raise ValueError(
                f"{who}: grid={self.grid!r} and window={self.window!r} exclude each other. Pass grid for a number of "
                "cells, or window (and step) for cells of a size."
            )
        if self.step is not None and self.window is None:
            raise ValueError(f"{who}: step={self.step!r} moves a window, and there is none. Pass window too.")

    def _cells_asked(self):
        return 2 if self.grid is None else self.grid

    def _check_size(self, height, width):
        name = "grid" if self.window is None else "window"
        wanted = pair(self._cells_asked() if self.window is None else self.window)
        if wanted[0] > height or wanted[1] > width:
            raise ValueError(
                f"{type(self).__name__}: {name}={wanted[0]} x {wanted[1]} does not fit maps of height {height} and "
                f"width {width}. Pass {name}=({min(wanted[0], height)}, {min(wanted[1], width)}) or less, or larger "
                "maps."
            )

    def cells(self, height: int, width: int) -> Cells:
        """The cells for maps of a height and width: they are all pairs of a row slice and a column slice.

        Parameters
        ----------
        height, width : int

        Returns
        -------
        rows, columns : list of slice, list of slice

        Raises
        ------
        ValueError
            If a parameter is not valid, or the grid or the window is larger than the map.
        """
        check_parameters(self)
        self._check_size(height, width)
        if self.window is None:
            rows, columns = pair(self._cells_asked())
            return split_axis(height, rows), split_axis(width, columns)
        window, step = pair(self.window), pair(self.window if self.step is None else self.step)
        return slide_axis(height, window[0], step[0]), slide_axis(width, window[1], step[1])

    def output_shape(self, height: int, width: int) -> tuple[int, int]:
        """Height and width after pooling maps of a height and width.

        Parameters
        ----------
        height, width : int

        Returns
        -------
        shape : tuple (pooled_height, pooled_width)
        """
        rows, columns = self.cells(height, width)
        return len(rows), len(columns)


class SumPool(_Pool):
    """Sum of a map over each cell of a grid, or under a sliding window.

    Parameters
    ----------
    grid : int or pair of int or None, default=None
        Number of cells (down, across) that split the map as evenly as can be, the longer ones first. None, with no
        window either, means 2.
    window : int or pair of int or None, default=None
        Size (height, width) of a cell, in place of a grid.
    step : int or pair of int or None, default=None
        Distance between windows; None means they touch. A window that would not fit whole is dropped.

    See Also
    --------
    MeanPool, MaxPool : Other pools.

    Examples
    --------
    >>> import numpy as np
    >>> from featlearn import SumPool
    >>> maps = np.arange(9.0).reshape(1, 3, 3)
    >>> SumPool(grid=2).transform(maps)
    array([[[ 8.,  7.],
            [13.,  8.]]])
    >>> SumPool(window=2, step=1).output_shape(27, 27)
    (26, 26)
    """

    def _apply(self, maps):
        return finite(pool(maps, self.cells(*maps.shape[1:3]), np.add), self)


class MeanPool(_Pool):
    """Mean of a map over each cell of a grid, or under a sliding window.

    Parameters
    ----------
    grid : int or pair of int or None, default=None
        Number of cells (down, across) that split the map as evenly as can be, the longer ones first. None, with no
        window either, means 2.
    window : int or pair of int or None, default=None
        Size (height, width) of a cell, in place of a grid.
    step : int or pair of int or None, default=None
        Distance between windows; None means they touch. A window that would not fit whole is dropped.

    See Also
    --------
    SumPool, MaxPool : Other pools.

    Examples
    --------
    >>> import numpy as np
    >>> from featlearn import MeanPool
    >>> MeanPool(grid=2).transform(np.arange(9.0).reshape(1, 3, 3))
    array([[[2. , 3.5],
            [6.5, 8. ]]])
    """

    def _apply(self, maps):
        cells = self.cells(*maps.shape[1:3])
        height, width = (np.array([cell.stop - cell.start for cell in axis], dtype=maps.dtype) for axis in cells)
        return finite(pool(maps, cells, np.add), self) / np.outer(height, width)[:, :, np.newaxis]


class MaxPool(_Pool):
    """Maximum of a map over each cell of a grid, or under a sliding window.

    Parameters
    ----------
    grid : int or pair of int or None, default=None
        Number of cells (down, across) that split the map as evenly as can be, the longer ones first. None, with no
        window either, means 2.
    window : int or pair of int or None, default=None
        Size (height, width) of a cell, in place of a grid.
    step : int or pair of int or None, default=None
        Distance between windows; None means they touch. A window that would not fit whole is dropped.

    See Also
    --------
    SumPool, MeanPool : Other pools.

    Examples
    --------
    >>> import numpy as np
    >>> from featlearn import MaxPool
    >>> MaxPool(grid=(1, 2)).transform(np.arange(9.0).reshape(1, 3, 3))
    array([[[7., 8.]]])
    """

    def _apply(self, maps):
        return pool(maps, self.cells(*maps.shape[1:3]), np.maximum)
