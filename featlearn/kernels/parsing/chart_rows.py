"""The three instructions a chart is made of: a row of a semiring, a dot product of rows, the lowest bit of a mask.

`combine_row(target, t, source, s, c, blocks, fresh, summed)` works on the first ``8 * blocks`` numbers of a row of each
of two tables:

    max (summed is None)    target[t, i] := max(target[t, i], source[s, i] + c)
    sum (summed is True)    target[t, i] := target[t, i] + source[s, i] * c

with the target taken as the semiring's zero if ``fresh``. Written as vector instructions: inside a long kernel the
compiler leaves the same loop scalar, four times slower. Rows are named by number, since a view counts references.
"""

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

LANES = 8  # float64 in a vector, and what rows are padded to
_REAL = ir.DoubleType()
_VECTOR = ir.VectorType(_REAL, LANES)
_TABLE = types.Array(types.float64, 2, "C")


def padded(n: int) -> int:
    """The length of a row that holds n numbers."""
    return (n + LANES - 1) // LANES * LANES


def _vectors(context, builder, kinds, values):
    """A row of a table, given as (table, number), as a pointer to vectors."""
    table = context.make_array(kinds[0])(context, builder, values[0])
    _, width = cgutils.unpack_tuple(builder, table.shape, 2)
    number = context.cast(builder, values[1], kinds[1], types.intp)
    return builder.bitcast(builder.gep(table.data, [builder.mul(number, width)]), _VECTOR.as_pointer())


def _load(builder, pointer):
    value = builder.load(pointer)
    value.align = 8
    return value


@intrinsic
def combine_row(typingctx, target, t, source, s, c, blocks, fresh, summed):
    """In place: target[t, i] := target[t, i] (+) source[s, i] (x) c, as the module says. For compiled code only."""
    if target != _TABLE or source != _TABLE or c != types.float64:
        return None
    adds = not isinstance(summed, types.NoneType)

    def codegen(context, builder, signature, args):
        to = _vectors(context, builder, signature.args[:2], args[:2])
        of = _vectors(context, builder, signature.args[2:4], args[2:4])
        undefined = ir.Constant(_VECTOR, ir.Undefined)
        everywhere = ir.Constant(ir.VectorType(ir.IntType(32), LANES), [0] * LANES)
        c = builder.insert_element(undefined, args[4], ir.Constant(ir.IntType(32), 0))
        c = builder.shuffle_vector(c, undefined, everywhere)
        count = context.cast(builder, args[5], signature.args[5], types.intp)

        def walk(joined):
            with cgutils.for_range(builder, count) as loop:
                value = _load(builder, builder.gep(of, [loop.index]))
                value = builder.fmul(value, c) if adds else builder.fadd(value, c)
                place = builder.gep(to, [loop.index])
                if joined:
                    old = _load(builder, place)
                    if adds:
                        value = builder.fadd(old, value)
                    else:
                        value = builder.select(builder.fcmp_ordered(">", value, old), value, old)
                builder.store(value, place).align = 8

        with builder.if_else(context.cast(builder, args[6], signature.args[6], types.boolean)) as (first, later):
            with first:
                walk(False)
            with later:
                walk(True)
        return context.get_dummy_value()

    return types.void(target, t, source, s, c, blocks, fresh, summed), codegen


@intrinsic
def dot_row(typingctx, a, s, b, t, blocks):
    """The sum of a[s, i] b[t, i] over the first 8 * blocks numbers. For compiled code only."""
    if a != _TABLE or b != _TABLE:
        return None

    def codegen(context, builder, signature, args):
        x = _vectors(context, builder, signature.args[:2], args[:2])
        y = _vectors(context, builder, signature.args[2:4], args[2:4])
        total = cgutils.alloca_once_value(builder, ir.Constant(_VECTOR, [0.0] * LANES))
        builder.store(ir.Constant(_VECTOR, [0.0] * LANES), total)
        with cgutils.for_range(builder, context.cast(builder, args[4], signature.args[4], types.intp)) as loop:
            place = [loop.index]
            term = builder.fmul(_load(builder, builder.gep(x, place)), _load(builder, builder.gep(y, place)))
            builder.store(builder.fadd(builder.load(total), term), total)
        lanes = builder.load(total)
        result = ir.Constant(_REAL, 0.0)
        for lane in range(LANES):
            result = builder.fadd(result, builder.extract_element(lanes, ir.Constant(ir.IntType(32), lane)))
        return result

    return types.float64(a, s, b, t, blocks), codegen


@intrinsic
def lowest_bit(typingctx, mask):
    """The place of the lowest bit set in a uint64 that is not 0. For compiled code only."""
    if mask != types.uint64:
        return None

    def codegen(context, builder, signature, args):
        return builder.cttz(args[0], ir.Constant(ir.IntType(1), 1))

    return types.int64(mask), codegen


def words(n: int) -> int:
    """64-bit words in a mask of n bits."""
    return (n + 63) // 64


ALL = np.uint64(2**64 - 1)
