"""On which devices the Keras engine works: one, or several by Keras' distributions (JAX) and TensorFlow's strategies.

A distribution (`keras.distribution.DataParallel`, `ModelParallel`) lays tensors out; what is computed stays the same. A
strategy (`tf.distribute.MirroredStrategy`) lets every replica take its share of a batch and averages the gradients, so
layers that look at the whole batch (batch normalization) look at the share alone.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from types import SimpleNamespace
from typing import Any

from featlearn.kernels.backend import backend, gpu_may_exist


@contextmanager
def placed(device: str = "auto", distribution: Any = None) -> Iterator[None]:
    """What runs within runs on a "cpu" or a "gpu", or spread as a distribution of Keras or a strategy says."""
    scope: Any = nullcontext() if distribution is None else distribution.scope()
    where: Any = nullcontext()
    if device == "gpu" or (device == "cpu" and gpu_may_exist()):
        import keras

        where = keras.device(f"{device}:0")
    with where, scope:
        yield


def distribution() -> Any:
    """The keras.distribution in force, or None."""
    if backend() != "jax":
        return None
    import keras

    return keras.distribution.distribution()


def spread(tensor: Any, axis: int) -> Any:
    """A tensor whose rows lie along an axis, on the devices that the distribution in force gives them."""
    rule = distribution()
    if rule is None:
        return tensor
    import keras

    names: list[str | None] = [None] * len(tensor.shape)
    mesh = rule.device_mesh
    if tensor.shape[axis] % mesh.shape[mesh.axis_names.index(rule.batch_dim_name)] == 0:  # else: all rows everywhere
        names[axis] = rule.batch_dim_name
    return keras.distribution.distribute_tensor(tensor, keras.distribution.TensorLayout(names, mesh))


def laid_out(name: str, tensor: Any) -> Any:
    """A parameter as the distribution in force lays it out, by its name."""
    rule = distribution()
    if rule is None:
        return tensor
    import keras

    layout = rule.get_variable_layout(SimpleNamespace(path=name, shape=tensor.shape))
    return keras.distribution.distribute_tensor(tensor, layout)


def strategy() -> Any:
    """The strategy of TensorFlow in force, or None."""
    if backend() != "tensorflow":
        return None
    import tensorflow as tf

    return tf.distribute.get_strategy() if tf.distribute.has_strategy() else None


def replicated(steps: Callable, over: Any) -> Callable:
    """Steps on batches (m, b, ...) of which every replica of a strategy takes its share of the b rows."""
    import tensorflow as tf

    n = over.num_replicas_in_sync

    def share(carry, batches, constants, seeds, settings):
        i = tf.distribute.get_replica_context().replica_id_in_sync_group

        def part(a):
            if a is None or a.shape[1] % n:  # rows that cannot be shared out: all for everyone
                return a
            return tf.gather(tf.reshape(a, (a.shape[0], n, a.shape[1] // n, *a.shape[2:])), i, axis=1)

        return steps(carry, type(batches)(*map(part, batches)), constants, seeds + 7919 * i, settings)

    @tf.function(reduce_retracing=False)
    def run(*given):
        return tf.nest.map_structure(lambda v: over.experimental_local_results(v)[0], over.run(share, args=given))

    return run


def averaged(loss: Any, state: Any, grads: Any) -> tuple[Any, Any, Any]:
    """Means over the replicas of a strategy, within one."""
    import tensorflow as tf

    together, mean = tf.distribute.get_replica_context(), tf.distribute.ReduceOp.MEAN
    moving = {k: v for k, v in state.items() if v.dtype.is_floating}
    loss, moving, grads = together.all_reduce(mean, (loss, moving, grads))
    return loss, state | moving, grads
