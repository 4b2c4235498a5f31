"""OpenVINO in bfloat16, guarded: answers that float32 could give otherwise are computed in float32."""

from __future__ import annotations

from importlib.util import find_spec

from shared.packages import ModelPackage
from shared.vision.narrow import Errors, Narrow, allowed, computes_bf16, errors, trial_pictures
from shared.vision.readings import BATCH, to_batch
from worker.engines.ort import FILE
from worker.engines.protocol import EngineMissing, Floats
from worker.engines.vino import OpenVinoEngine

_STRANGE = 2.0
"""A machine whose errors are this many times those that were measured is not trusted; twice that is allowed for."""


class NarrowEngine:
    """A package's `model.onnx` in both arithmetics; `infer` is float32, `narrow` is for `read` to guard.

    Decisions are those of `cpu-fp32`; the class is its own because confidences differ in their last digits.
    """

    name = "openvino-bf16"
    device = "cpu"
    engine_class = "cpu-bf16"

    def __init__(self, package: ModelPackage, *, threads: int = 1) -> None:
        card = package.card.get("narrow")
        if card is None:
            raise EngineMissing(f"Model {package.ref} was never measured in bfloat16.")
        if not computes_bf16():
            raise EngineMissing("This CPU does not compute bfloat16 itself.")
        self._exact = OpenVinoEngine(package, threads=threads)
        rough = OpenVinoEngine(package, threads=threads, precision=card["arithmetic"])
        self.narrow = Narrow(rough.infer, allowed(card))
        found = self._try(package)
        if not found.within(allowed(card, _STRANGE)):
            raise EngineMissing(f"Model {package.ref} errs more in bfloat16 here than was measured: {found}.")

    def _try(self, package: ModelPackage) -> Errors:
        """Return the errors that this machine makes on trial pictures."""
        pictures = trial_pictures(package.shape, BATCH)
        batch = to_batch(package, pictures)
        try:
            self.narrow.infer(batch[:1])  # as warm as the other will be
            return errors(package, self.narrow.infer(batch), self.infer(batch), pictures)
        except (RuntimeError, ValueError) as error:
            raise EngineMissing(f"OpenVINO cannot run model {package.ref}.") from error

    def infer(self, batch: Floats) -> Floats:
        """Return logits in float32."""
        return self._exact.infer(batch)


def fits(package: ModelPackage) -> bool:
    """Say whether `NarrowEngine` is likely to serve a package here; imports nothing."""
    card = package.card
    plain = card["input"].get("batch") is None and card.get("answers") != "probabilities"
    installed = find_spec("openvino") is not None
    return "narrow" in card and FILE in card["files"] and plain and installed and computes_bf16()
