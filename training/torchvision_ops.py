"""Let torchvision be imported beside a CPU build of torch that lacks its compiled operators.

`torchvision==0.28.0` is built for CUDA; next to a CPU torch its import stops with `operator torchvision::nms
does not exist`. The import only registers shapes for two operators, so it is enough that these are declared.
The operators themselves, and compiled image reading, stay unavailable; data sets, transforms and models work.
"""

from __future__ import annotations

import torch

_SCHEMAS = {
    "nms": "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms": "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
}
_libraries: list[torch.library.Library] = []


def declare_missing_operators() -> None:
    """Declare torchvision's two operators where nobody has; call before the first `import torchvision`."""
    missing = [name for name in _SCHEMAS if not _is_declared(name)]
    if not missing:
        return
    library = torch.library.Library("torchvision", "FRAGMENT")  # type: ignore[no-untyped-call]  # untyped in torch
    for name in missing:
        library.define(_SCHEMAS[name])  # type: ignore[no-untyped-call]  # untyped in torch
    _libraries.append(library)


def _is_declared(name: str) -> bool:
    """Say whether an operator of torchvision is known to torch."""
    try:
        torch._C._get_schema(f"torchvision::{name}", "")
    except RuntimeError:
        return False
    return True
