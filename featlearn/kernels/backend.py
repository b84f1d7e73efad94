"""Keras' backends behind a few functions: Keras has no automatic gradient or compiler of its own.

TensorFlow, JAX and torch; whichever Keras runs on. Formulas are written in `keras.ops`.
"""

from collections.abc import Callable
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

# Of a processor that multiplies in half precision, as /proc/cpuinfo calls it (the last of each: ARM's).
HALF_FLAGS = {"bfloat16": {"avx512_bf16", "amx_bf16", "bf16"}, "float16": {"avx512_fp16", "amx_fp16", "asimdhp"}}


def gpu_may_exist() -> bool:
    """Whether it is worth importing Keras to look for a GPU: there is a device file, and Keras is installed."""
    return Path("/dev/nvidia0").exists() and find_spec("keras") is not None


def require_keras(who: str) -> Any:
    """Keras, or an error that says what to install."""
    try:
        import keras
    except ImportError as error:
        raise ImportError(
            f"{who} runs on Keras, which is not installed: pip install 'featlearn[deep]' (or keras with jax or torch)."
        ) from error
    return keras


def backend() -> str:
    """The name of Keras' backend: "tensorflow", "jax" or "torch"."""
    import keras

    return keras.backend.backend()


def gpu_visible() -> bool:
    """Whether Keras' backend sees a GPU."""
    name = backend()
    if name == "tensorflow":
        import tensorflow as tf

        return bool(tf.config.list_physical_devices("GPU"))
    if name == "jax":
        import jax

        return any(device.platform in ("gpu", "cuda", "rocm") for device in jax.devices())
    if name == "torch":
        import torch

        return torch.cuda.is_available()
    return False


@lru_cache(maxsize=1)
def _cpu_flags() -> frozenset[str] | None:
    """What the processor can do, as Linux tells it; None where nobody does."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return None
    found = [line.partition(":")[2].split() for line in lines if line.startswith(("flags", "Features"))]
    return frozenset(found[0]) if found else None


def cpu_multiplies(dtype: str) -> bool:
    """Whether the processor has products of "bfloat16" or "float16"; True where nobody tells."""
    flags = _cpu_flags()
    return flags is None or bool(flags & HALF_FLAGS[dtype])


def compiled(f: Callable, xla: bool = True) -> Callable:
    """``f`` compiled by the backend: for JAX by XLA, for TensorFlow too if ``xla``; as it is for torch.

    On a CPU (seconds of the processor for the same steps, TensorFlow 2.21, AVX-512): steps of 784-1000x3-10 in batches
    of 100 took 1.00 with XLA, 1.44 without and 1.33 on JAX; those of two 5 x 5 convolutions (32 and 64 maps of 28 x 28
    pixels) took 9.6 with XLA and 0.92 without, since XLA's convolutions do not use oneDNN there.
    """
    name = backend()
    if name == "tensorflow":
        import tensorflow as tf

        return tf.function(f, jit_compile=xla, reduce_retracing=False)
    if name == "jax":
        import jax

        return jax.jit(f)
    return f


def value_and_grad(f: Callable, has_aux: bool = False) -> Callable:
    """A function that gives ``f(params, *rest)`` and its gradients, a dict like ``params``; f gives one number.

    With ``has_aux`` f gives a pair, of the number and a dict of tensors that have no part in the gradients.
    """
    name = backend()
    if name == "tensorflow":
        import tensorflow as tf

        def run(params, *rest):
            with tf.GradientTape() as tape:
                tape.watch(list(params.values()))
                found = f(params, *rest)
            value = found[0] if has_aux else found
            return found, tape.gradient(value, params, unconnected_gradients=tf.UnconnectedGradients.ZERO)

        return run
    if name == "jax":
        import jax

        return jax.value_and_grad(f, has_aux=has_aux)

    def run_torch(params, *rest):
        import torch

        with torch.enable_grad():
            leaves = {k: v.detach().requires_grad_(True) for k, v in params.items()}
            value, *other = f(leaves, *rest) if has_aux else (f(leaves, *rest),)
            found = torch.autograd.grad(value, list(leaves.values()), allow_unused=True)
        grads = (torch.zeros_like(v) if g is None else g for v, g in zip(leaves.values(), found, strict=True))
        value, other = value.detach(), [{k: v.detach() for k, v in tensors.items()} for tensors in other]
        return (value, *other) if has_aux else value, dict(zip(leaves, grads, strict=True))

    return run_torch


def to_numpy(tensor: Any) -> Any:
    """A tensor as an array; Keras' own way makes NumPy 2 warn."""
    if backend() == "torch":
        return tensor.detach().cpu().numpy()
    if hasattr(tensor, "numpy"):  # of TensorFlow's variables too
        return tensor.numpy()
    from keras import ops

    return ops.convert_to_numpy(tensor)


def uniform(shape: tuple[int, ...], seed: Any, dtype: Any) -> Any:
    """Uniform numbers of [0, 1) that depend on ``seed`` alone, two whole numbers (a tensor int32 (2,))."""
    name = backend()
    if name == "tensorflow":
        import tensorflow as tf

        return tf.random.stateless_uniform(shape, seed, dtype=dtype)
    if name == "jax":
        import jax

        return jax.random.uniform(jax.random.fold_in(jax.random.PRNGKey(seed[0]), seed[1]), shape, dtype=dtype)
    import torch

    generator = torch.Generator(device=seed.device).manual_seed(int(seed[0]) * 2_147_483_647 + int(seed[1]))
    kind = getattr(torch, str(dtype).removeprefix("torch."))
    return torch.rand(shape, generator=generator, device=seed.device, dtype=kind)


def normal(shape: tuple[int, ...], seed: Any, dtype: Any) -> Any:
    """Standard normal numbers that depend on ``seed`` alone, by the transform of Box and Muller."""
    from keras import ops

    u = uniform((2, *shape), seed, dtype)
    return ops.sqrt(-2.0 * ops.log(1.0 - u[0])) * ops.cos(6.283185307179586 * u[1])
