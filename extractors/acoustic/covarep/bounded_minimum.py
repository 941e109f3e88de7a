"""Local minimum of many functions of one bounded variable at once.

R. P. Brent, "Algorithms for Minimization Without Derivatives", 1973, chapter 5: golden sections
and parabolas. The instants at which it looks decide which of several minima it finds, so the
steps are the published ones, kept apart for every function.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
_GOLDEN = 0.5 * (3.0 - np.sqrt(5.0))
_SQRT_EPS = float(np.sqrt(np.finfo(np.float64).eps))


def bounded_minimum(
    function: Callable[[NDArray[np.int64], Array], Array],
    n: int,
    low: float,
    high: float,
    tolerance: float,
    evaluations: int,
) -> tuple[Array, Array]:
    """Local minima of `n` functions on `[low, high]`.

    Parameters
    ----------
    function
        Called with the indices of functions and one argument for each; returns their values.
    n
        Number of functions.
    low, high
        Bounds, common to all.
    tolerance
        Wanted exactness of the argument.
    evaluations
        Most evaluations of each function.

    Returns
    -------
    tuple
        Arguments `[n]` and values `[n]`.
    """
    # One row per quantity: bounds a b; best x, second w, third v; their values; last two steps.
    a, b = np.full(n, low), np.full(n, high)
    x = a + _GOLDEN * (b - a)
    w, v = x.copy(), x.copy()
    d, e = np.zeros(n), np.zeros(n)
    active = np.arange(n)
    fx = function(active, x)
    fw, fv = fx.copy(), fx.copy()
    for _ in range(evaluations - 1):
        middle = 0.5 * (a[active] + b[active])
        fine = _SQRT_EPS * np.abs(x[active]) + tolerance / 3.0
        going = np.abs(x[active] - middle) > 2.0 * fine - 0.5 * (b[active] - a[active])
        active, middle, fine = active[going], middle[going], fine[going]
        if not active.size:
            break
        i = active
        step, before = _step(
            a[i], b[i], (x[i], w[i], v[i]), (fx[i], fw[i], fv[i]), (d[i], e[i]), middle, fine
        )
        d[i], e[i] = step, before
        u = x[i] + np.where(step >= 0, 1.0, -1.0) * np.maximum(np.abs(step), fine)
        fu = function(i, u)

        better = fu <= fx[i]
        right = u >= x[i]
        a[i] = np.where(better & right, x[i], np.where(~better & ~right, u, a[i]))
        b[i] = np.where(better & ~right, x[i], np.where(~better & right, u, b[i]))
        second = ~better & ((fu <= fw[i]) | (w[i] == x[i]))
        third = ~better & ~second & ((fu <= fv[i]) | (v[i] == x[i]) | (v[i] == w[i]))
        moved = better | second
        v[i], fv[i] = (
            np.where(moved, w[i], np.where(third, u, v[i])),
            np.where(moved, fw[i], np.where(third, fu, fv[i])),
        )
        w[i], fw[i] = (
            np.where(better, x[i], np.where(second, u, w[i])),
            np.where(better, fx[i], np.where(second, fu, fw[i])),
        )
        x[i], fx[i] = np.where(better, u, x[i]), np.where(better, fu, fx[i])
    return x, fx


def _step(
    a: Array,
    b: Array,
    points: tuple[Array, Array, Array],
    values: tuple[Array, Array, Array],
    last: tuple[Array, Array],
    middle: Array,
    fine: Array,
) -> tuple[Array, Array]:
    """Next step and the one before it: a parabola's where it is trusted, else a golden section."""
    x, w, v = points
    fx, fw, fv = values
    d, e = last
    r = (x - w) * (fx - fv)
    q = (x - v) * (fx - fw)
    p = (x - v) * q - (x - w) * r
    q = 2.0 * (q - r)
    p = np.where(q > 0, -p, p)
    q = np.abs(q)
    trusted = (np.abs(e) > fine) & (np.abs(p) < np.abs(0.5 * q * e))
    trusted &= (p > q * (a - x)) & (p < q * (b - x))
    parabola = np.divide(p, q, out=np.zeros_like(p), where=q > 0)
    u = x + parabola
    # Not closer to a bound than twice the tolerance.
    towards = np.where(middle >= x, 1.0, -1.0) * fine
    parabola = np.where((u - a < 2.0 * fine) | (b - u < 2.0 * fine), towards, parabola)
    side = np.where(x >= middle, a - x, b - x)
    step = np.where(trusted, parabola, _GOLDEN * side)
    return step, np.where(trusted, d, side)
