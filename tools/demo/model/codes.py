"""Reads the int4 tensors of a converted folder (layout: src/model/checkpoint.ts) back as float32."""
import torch
from torch import Tensor

# where column 8j + lane of a row lies in word j
SHIFTS = torch.tensor([0, 8, 16, 24, 4, 12, 20, 28])


def decoded(tensors: dict[str, Tensor], shapes: dict[str, torch.Size]) -> dict[str, Tensor]:
    """All tensors by their official names: w = scale · q + minimum for those in codes, each cut to its shape."""
    plain = {k: v.float() for k, v in tensors.items() if not k.endswith((".int4", ".scale_min"))}
    names = [k.removesuffix(".int4") for k in tensors if k.endswith(".int4")]
    return plain | {n: values(tensors[f"{n}.int4"], tensors[f"{n}.scale_min"], shapes[n]) for n in names}


def values(words: Tensor, pairs: Tensor, shape: torch.Size) -> Tensor:
    """Words [quads, words of a row, 4] and pairs [quads, groups, 4, 2] as float32 rows of `shape`, flat past the first axis."""
    rows = words.shape[0] * 4
    q = (words.to(torch.int64).transpose(1, 2).reshape(rows, -1, 1) >> SHIFTS) & 15
    scale, minimum = pairs.float().transpose(1, 2).reshape(rows, -1, 2).repeat_interleave(32, 1).unbind(-1)
    k = shape.numel() // shape[0]
    w = q.reshape(rows, -1)[:shape[0], :k] * scale[:shape[0], :k] + minimum[:shape[0], :k]
    return w.reshape(shape).contiguous()
