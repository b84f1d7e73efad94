"""Where and how exactly a network computes, networks that a function builds in Keras, and networks given to Keras."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from sklearn.base import is_regressor

from featlearn.kernels.backend import backend, cpu_multiplies, gpu_may_exist, gpu_visible, require_keras
from featlearn.networks.layers import FittedLayer, Shape
from featlearn.training import GradientLearnerMixin
from featlearn.training.distributing import placed
from featlearn.validation import Rule, has, one_of, optional
from featlearn.writing import whole_file

ENGINE_RULES: dict[str, Rule] = {
    "precision": one_of("auto", "float32", "float64", "mixed_bfloat16", "mixed_float16"),
    "device": one_of("auto", "cpu", "gpu"),
    "distribute": optional(has("scope")),
}


class EnginesMixin(GradientLearnerMixin):
    """Parameters ``engine``, ``device``, ``precision`` and ``distribute``; ``layers`` that are a function."""

    layers: Any
    layers_: list[FittedLayer]
    precision: str
    device: str
    distribute: Any
    max_norm: float | None
    l1_activity: float

    def _check_together(self):
        who = type(self).__name__
        on_keras = [
            f"{name}={getattr(self, name)!r}"
            for name, on_cpu in (("device", "auto cpu"), ("precision", "auto float32 float64"), ("distribute", "None"))
            if str(getattr(self, name)) not in on_cpu.split()
        ] + (["layers=a function"] if callable(self.layers) else [])
        if self.engine == "numpy" and on_keras:
            raise ValueError(f"{who}: engine='numpy' does not go with {' and '.join(on_keras)}; pass engine='keras'.")
        if on_keras:
            require_keras(f"{who}: {on_keras[0]}")
        if self.device == "gpu" and not (gpu_may_exist() and gpu_visible()):
            raise ValueError(
                f"{who}: device='gpu', and Keras' backend sees no GPU here. Pass device='auto' or 'cpu', or install a "
                "backend with its GPU libraries (say, pip install 'tensorflow[and-cuda]')."
            )
        half = self.precision.removeprefix("mixed_")
        if half != self.precision and not (
            cpu_multiplies(half) or (self.device != "cpu" and gpu_may_exist() and gpu_visible())
        ):
            raise ValueError(
                f"{who}: precision={self.precision!r} needs a GPU or a processor with products in {half} (AVX512-BF16, "
                "AVX512-FP16 or AMX), and /proc/cpuinfo names none here. Pass precision='float32'."
            )
        home = {"jax": "keras.", "tensorflow": "tensorflow."}.get(backend(), "none") if self.distribute else ""
        if not type(self.distribute).__module__.startswith(home):
            raise ValueError(
                f"{who}: distribute takes a keras.distribution.Distribution with the backend JAX and a strategy of "
                f"tf.distribute with TensorFlow; the backend is {backend()}, and this is a "
                f"{type(self.distribute).__name__}."
            )

    def _training(self, *given):
        """`minimize` by the engine and on the device asked for."""
        train = super()._training(*given)
        by_hand = getattr(train.args[0], "gradient", None) is not None
        engine = self.engine
        if engine == "auto" and (self.device == "gpu" or self.distribute is not None):
            engine = "keras"
        if engine == "auto" and self.device == "cpu" and by_hand:
            engine = "numpy"

        def run(**more):
            if engine == "numpy":
                return train(engine=engine, **more)
            with placed(self.device, self.distribute):
                return train(engine=engine, **more)

        return run

    # Layers that are a function

    def _of_function(self, shape: Shape, k: int, dtype: Any, rng: Any) -> FittedLayer:
        """The layer of the model that it builds."""
        from featlearn.networks.keras_models import built

        who = type(self).__name__
        cures = (
            ("max_norm", "weight_decay"),
            ("l1_activity", "an activity_regularizer of its layers"),
            ("embedding", "a list of layers"),
        )
        for name, instead in cures:
            if getattr(self, name):
                raise ValueError(f"{who}: {name} is for layers of featlearn; with a function as layers use {instead}.")
        scores = not is_regressor(self)
        return built(self.layers, shape, k, scores=scores, precision=self.precision, dtype=dtype, rng=rng, who=who)

    def _upto(self, layer: str | int | None) -> FittedLayer:
        """The model up to one of its layers."""
        graph: Any = self.layers_[0].layer
        return replace(self.layers_[0], layer=graph.upto(layer))

    # To Keras and to files

    def to_keras(self) -> Any:
        """The network as a keras.Model of its own.

        Returns
        -------
        model : keras.Model
            Of rows (n, n_features) it gives scores (n, n_outputs): what ``decision_function`` gives (of a regressor:
            ``predict``), with one column for two classes. A softmax (for two classes or several labels a sigmoid) of
            them gives the probabilities.

        Raises
        ------
        ImportError
            If Keras is missing.
        ValueError
            If a learner that no layers can stand for stands before the layers.

        See Also
        --------
        export : The same into a file.
        """
        require_keras(f"{type(self).__name__}.to_keras")
        from featlearn.networks.exporting import to_keras

        return to_keras(self)

    def export(self, path: Any) -> Path:
        """Write the network to a file, for Keras or for an ONNX runtime.

        Parameters
        ----------
        path : path-like
            A name that ends in ".keras" (load it with keras.saving.load_model after ``import
            featlearn.networks.exporting``) or ".onnx". An old file stays if the new one cannot be written whole.

        Returns
        -------
        path : Path
            Of a network that gives scores, see `to_keras`.

        Raises
        ------
        ImportError
            If a package is missing: Keras, or for ".onnx" onnx.
        ValueError
            For another ending, a layer that ONNX has no nodes for, or a learner that stands before the layers.
        """
        path, who = Path(path), f"{type(self).__name__}.export({Path(path).name!r})"
        if path.suffix not in (".keras", ".onnx"):
            raise ValueError(f"{who}: pass a name that ends in .keras or .onnx.")
        if path.suffix == ".onnx" and not callable(self.layers):
            from featlearn.networks.onnx_graph import exported, onnx_model

            written = onnx_model(*exported(self), who).SerializeToString()
            with whole_file(path) as part:
                part.write_bytes(written)
            return path
        require_keras(who)
        from featlearn.networks.exporting import export

        return export(self, path, who)
