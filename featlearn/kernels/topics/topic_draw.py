"""One draw of a topic, on vectors of 16 topics at a time.

    p_k = (n_dk + alpha_k) (n_wk + eta_w) inverse_k,    inverse_k = 1 / (n_k + sum_w eta_w)

with the token itself taken out of the counts n. Topics are laid out in rows of 16 lanes. Each lane keeps the running
sum of its own topics, so the cumulative distribution costs one addition a row and one prefix sum over the 16 lanes at
the end: first the lane is found, then the row within the lane. Written as vectors of LLVM, which every processor has.
"""

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

LANES = 16
_COUNTS = types.Array(types.float32, 2, "C")
_ROW = types.Array(types.float32, 1, "C")


def padded(n_topics: int) -> int:
    """Topics in whole rows of lanes."""
    return -(-n_topics // LANES) * LANES


@intrinsic
def draw_topic(typingctx, n_dk, document, n_wk, word, inverse, alpha, running, eta, old, weight, inverse_old, u, last):
    """A topic drawn for one token of weight ``weight``, whose present topic is ``old`` (-1: none yet).

    ``n_dk[document]`` and ``n_wk[word]`` are counts that still hold the token; ``inverse_old`` is the entry of
    ``inverse`` without it. ``inverse`` (padded K,) is 0 beyond the last topic; ``running`` (padded K,) is scratch;
    ``u`` is uniform in [0, 1). Rounding at the end of the distribution may reach into the padding; then the topic is
    ``last``, K - 1. All arrays are float32.
    """
    if (n_dk, n_wk, inverse, alpha, running) != (_COUNTS, _COUNTS, _ROW, _ROW, _ROW):
        return None
    signature = types.int64(
        n_dk, types.int64, n_wk, types.int64, inverse, alpha, running, types.float32, types.int64, types.float32,
        types.float32, types.float32, types.int64,
    )  # fmt: skip
    return signature, _codegen


def _codegen(context, builder, signature, args):
    real, word64, int32 = ir.FloatType(), ir.IntType(64), ir.IntType(32)
    vector, lanes32 = ir.VectorType(real, LANES), ir.VectorType(int32, LANES)
    arrays = {i: context.make_array(signature.args[i])(context, builder, args[i]) for i in (0, 2, 4, 5, 6)}
    (width,) = cgutils.unpack_tuple(builder, arrays[4].shape, 1)
    rows = builder.lshr(width, ir.Constant(word64, 4))

    def number(value):
        return ir.Constant(word64, value)

    def spread(value, kind):
        one = builder.insert_element(ir.Constant(kind, ir.Undefined), value, ir.Constant(int32, 0))
        return builder.shuffle_vector(one, ir.Constant(kind, ir.Undefined), ir.Constant(lanes32, [0] * LANES))

    def at(pointer, index):
        return builder.bitcast(builder.gep(pointer, [index]), vector.as_pointer())

    def load(pointer, index):
        value = builder.load(at(pointer, index))
        value.align = 4
        return value

    documents = builder.gep(arrays[0].data, [builder.mul(args[1], width)])
    words = builder.gep(arrays[2].data, [builder.mul(args[3], width)])
    inverse, alpha, running = (arrays[i].data for i in (4, 5, 6))
    eta, weight, inverse_old = (spread(args[i], vector) for i in (7, 9, 10))
    old = spread(builder.trunc(args[8], int32), lanes32)
    zero = ir.Constant(vector, [0.0] * LANES)
    total = cgutils.alloca_once_value(builder, zero)
    lane_numbers = ir.Constant(lanes32, list(range(LANES)))
    with cgutils.for_range(builder, rows) as loop:
        start = builder.shl(loop.index, number(4))
        topics = builder.add(lane_numbers, spread(builder.trunc(start, int32), lanes32))
        own = builder.icmp_signed("==", topics, old)
        taken = builder.select(own, weight, zero)
        left = builder.fadd(builder.fsub(load(documents, start), taken), load(alpha, start))
        right = builder.fadd(builder.fsub(load(words, start), taken), eta)
        over = builder.select(own, inverse_old, load(inverse, start))
        p = builder.fmul(builder.fmul(left, right), over)
        now = builder.fadd(builder.load(total), p)
        builder.store(now, total)
        builder.store(now, at(running, start)).align = 4
    by_lane = builder.load(total)
    cumulative = by_lane
    for step in (1, 2, 4, 8):
        mask = ir.Constant(lanes32, [i - step if i >= step else LANES for i in range(LANES)])
        cumulative = builder.fadd(cumulative, builder.shuffle_vector(cumulative, zero, mask))
    target = builder.fmul(args[11], builder.extract_element(cumulative, ir.Constant(int32, LANES - 1)))
    passed = builder.fcmp_ordered("<=", cumulative, spread(target, vector))
    bits = builder.bitcast(passed, ir.IntType(LANES))
    lane = builder.zext(builder.ctpop(bits), word64)
    lane = builder.select(builder.icmp_unsigned(">", lane, number(LANES - 1)), number(LANES - 1), lane)
    before = builder.fsub(builder.extract_element(cumulative, lane), builder.extract_element(by_lane, lane))
    rest = builder.fsub(target, before)
    row = cgutils.alloca_once_value(builder, number(0))
    with cgutils.for_range(builder, rows) as loop:
        here = builder.load(builder.gep(running, [builder.add(builder.shl(loop.index, number(4)), lane)]))
        behind = builder.fcmp_ordered("<=", here, rest)
        builder.store(builder.add(builder.load(row), builder.zext(behind, word64)), row)
    chosen = builder.add(builder.shl(builder.load(row), number(4)), lane)
    return builder.select(builder.icmp_signed(">", chosen, args[12]), args[12], chosen)
