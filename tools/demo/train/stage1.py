"""Stage 1: the vision tower alone, with throw-away heads that ask for everything a picture holds."""
import argparse
import pathlib
import random

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from data import boards, geometry, pictures, videos
from data.words import BACKGROUNDS, DIRECTIONS, NAMES, PLACES, SHAPE_COLOURS, SHAPES, TAG_COLOURS
from model.config import BASE
from model.patches import patch_rows
from model.vision import Vision
from train.loop import Run, optimisers, rate

POOLED = {"product": len(NAMES) + 1, "ground": len(BACKGROUNDS), "tag": len(TAG_COLOURS) + 1, "tens": 11, "ones": 11,
          "count": 6, "direction": 5}
CELLS = {"kind": len(SHAPES) + 1, "colour": len(SHAPE_COLOURS) + 1}
DENSE = {"at_product": len(NAMES) + 1, "at_tens": 11, "at_ones": 11, "at_kind": len(SHAPES) + 1,
         "at_colour": len(SHAPE_COLOURS) + 1}


class Heads(nn.Module):
    """Attention-pooled heads (one query each), one for each place of shapes, and dense ones for each token."""

    def __init__(self, width: int, taps: int):
        super().__init__()
        self.join = nn.Linear(width * (taps + 1), width)
        self.queries = nn.Parameter(torch.randn(len(POOLED) + len(PLACES), width) * 0.02)
        self.key, self.value = nn.Linear(width, width), nn.Linear(width, width)
        self.pooled = nn.ModuleDict({k: nn.Linear(width, n) for k, n in POOLED.items()})
        self.cells = nn.ModuleDict({k: nn.Linear(width, n) for k, n in CELLS.items()})
        self.dense = nn.ModuleDict({k: nn.Linear(width, n) for k, n in DENSE.items()})

    def forward(self, merged: Tensor, taps: list[Tensor]) -> dict[str, Tensor]:
        x = self.join(torch.cat([merged, *taps], -1))
        weights = (self.queries @ self.key(x).transpose(1, 2) / 16).float().softmax(-1).to(x.dtype)
        pool = weights @ self.value(x)
        out = {k: head(pool[:, i]) for i, (k, head) in enumerate(self.pooled.items())}
        out.update({k: head(pool[:, len(POOLED):]) for k, head in self.cells.items()})
        out.update({k: head(x) for k, head in self.dense.items()})
        return out


def nothing(gh: int, gw: int) -> dict[str, np.ndarray]:
    """The labels of an empty picture: the last class of every head."""
    y = {k: np.full((), n - 1) for k, n in POOLED.items()}
    y.update({k: np.full(len(PLACES), n - 1) for k, n in CELLS.items()})
    y.update({k: np.full((gh, gw), n - 1) for k, n in DENSE.items()})
    return y


def board_labels(b: boards.Board, gh: int, gw: int) -> dict[str, np.ndarray]:
    """Labels of a board: the ground, and what each token shows; a token that shows two of a kind has none."""
    y = nothing(gh, gw)
    for name in (*POOLED, *CELLS):
        y[name] = np.full_like(y[name], -100)
    y["ground"] = np.array(BACKGROUNDS.index(b.background))
    for m in b.marks:
        place = min(gh - 1, int(m.y * gh)), min(gw - 1, int(m.x * gw))
        values = {"at_product": NAMES.index(m.value)} if m.kind == "product" else {f"at_{m.kind}": m.value}
        if m.kind == "shape":
            values = {"at_kind": SHAPES.index(m.value[0]), "at_colour": SHAPE_COLOURS.index(m.value[1])}
        for name, value in values.items():
            free = y[name][place] == DENSE[name] - 1
            y[name][place] = value if free else -100
    return y


def labels(p: pictures.Picture, direction: str, gh: int, gw: int) -> dict[str, np.ndarray]:
    """Class numbers of one picture for every head; the last class of a head is "none"."""
    y = nothing(gh, gw)

    def at(x: float, v: float) -> tuple[int, int]:
        return min(gh - 1, max(0, int(v * gh))), min(gw - 1, max(0, int(x * gw)))

    y["ground"] = np.array(BACKGROUNDS.index(p.background) if p.background else -100)
    y["count"] = np.array(len(p.shapes))
    y["direction"] = np.array(DIRECTIONS.index(direction) if direction else 4)
    if p.product:
        y["product"] = np.array(NAMES.index(p.product))
        y["at_product"][at(*p.centre)] = NAMES.index(p.product)
    if p.tag:
        y["tag"] = np.array(TAG_COLOURS.index(p.tag.colour))
        digits = [int(d) for d in str(p.tag.price)]
        y["ones"] = np.array(digits[-1])
        y["at_ones"][at(*p.tag.digits[-1])] = digits[-1]
        if len(digits) == 2:
            y["tens"] = np.array(digits[0])
            y["at_tens"][at(*p.tag.digits[0])] = digits[0]
    for s in p.shapes:
        place = PLACES.index(s.place)
        y["kind"][place], y["colour"][place] = SHAPES.index(s.kind), SHAPE_COLOURS.index(s.colour)
        y["at_kind"][at(s.x, s.y)] = SHAPES.index(s.kind)
        y["at_colour"][at(s.x, s.y)] = SHAPE_COLOURS.index(s.colour)
    return y


def example(rng: random.Random, split: str, grid: tuple[int, int]) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Patch rows (patches, 1536) of a still picture or of two frames, and its labels."""
    height, width = geometry.draw_source(rng, grid, 1000 if rng.random() < 0.03 else 220)
    size, kind, direction = (width, height), rng.random(), ""
    if split == "train" and kind < 0.55:
        made = boards.board(rng, split, size)
        y = board_labels(made, grid[0] // 32, grid[1] // 32)
        return patch_rows(np.asarray(geometry.fit(made.image))[None])[0], y
    if kind < 0.76:
        scene = pictures.product_picture(rng, split, size)
        images = [scene.image]
    elif kind < 0.9:
        scene = pictures.shapes_picture(rng, split, size)
        images = [scene.image]
    else:
        clip = videos.moving(rng, split, size)
        direction, gap = clip.direction, rng.uniform(0.08, 0.5)
        first = rng.uniform(0.1, 0.9 - gap)
        images = [clip.frame(first), clip.frame(first + gap)]
        scene = pictures.Picture(images[0], "")
    frames = np.stack([np.asarray(geometry.fit(i)) for i in images])
    y = labels(scene, direction, grid[0] // 32, grid[1] // 32)
    if direction:  # what moves has no single place
        for name in (*CELLS, *DENSE, "product", "count"):
            y[name] = np.full_like(y[name], -100)
        if clip.thing in NAMES:
            y["product"] = np.array(NAMES.index(clip.thing))
    return patch_rows(frames)[0], y


def batch(seed: int, split: str, size: int) -> tuple[Tensor, dict[str, Tensor], tuple[int, int]]:
    """A batch of one grid, the same for the same seed."""
    rng = random.Random(seed)
    grid = geometry.draw_grid(rng)
    rows, ys = zip(*(example(rng, split, grid) for _ in range(size)))
    return torch.from_numpy(np.stack(rows)), {k: torch.from_numpy(np.stack([y[k] for y in ys])) for k in ys[0]}, grid


def losses(out: dict[str, Tensor], y: dict[str, Tensor]) -> tuple[Tensor, dict[str, float]]:
    """The summed cross-entropies, and the share of right labels (dense and cells: where something is)."""
    total, right = torch.zeros(()), {}
    for name, logits in out.items():
        logits, target = logits.float().flatten(0, -2), y[name].flatten()
        if (target >= 0).sum() == 0:
            continue
        classes = torch.ones(logits.shape[1])
        if name in CELLS or name in DENSE:
            classes[-1] = 0.12  # "nothing here" is most of them
        loss = F.cross_entropy(logits, target, classes, ignore_index=-100)
        total = total + loss * {"at_product": 1.5, "at_tens": 3.0, "at_ones": 3.0, "kind": 2.0, "colour": 2.0}.get(name, 1.0)
        none = logits.shape[1] - 1 if name in (*CELLS, *DENSE, "tens", "ones", "product", "tag", "direction") else -1
        some = (target >= 0) & (target != none)
        if some.any():
            right[name] = (logits.argmax(-1) == target)[some].float().mean().item()
    return total, right


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("--steps", type=int, default=2400)
    parser.add_argument("--batch", type=int, default=96)
    parser.add_argument("--muon", type=float, default=3e-3, help="peak learning rate of block matrices")
    args = parser.parse_args()
    torch.manual_seed(1)
    vision = Vision(BASE["vision_config"])
    heads = Heads(BASE["vision_config"]["out_hidden_size"], len(vision.deepstack_merger_list))
    run = Run(args.out, {"vision": vision, "heads": heads},
              optimisers([*vision.named_parameters(prefix="v"), *heads.named_parameters(prefix="h")], args.muon, 1e-3))
    while run.step < args.steps:
        if run.step % 200 == 0 and run.step:
            evaluate(vision, heads)
        rows, y, (height, width) = batch(run.step, "train", args.batch)
        out = heads(*vision(rows, height // 16, width // 16))
        loss, right = losses(out, y)
        run.update(loss, rate(run.step, args.steps))
        run.note({"loss": loss.item(), **right})
    run.save()
    evaluate(vision, heads)


@torch.no_grad()
def evaluate(vision: Vision, heads: Heads) -> None:
    """Prints the heads' accuracy on held-out combinations."""
    sums: dict[str, list[float]] = {}
    for seed in range(4):
        rows, y, (height, width) = batch(-1 - seed, "eval", 128)
        out = heads(*vision(rows, height // 16, width // 16))
        for name, value in losses(out, y)[1].items():
            sums.setdefault(name, []).append(value)
    print("eval", {k: round(sum(v) / len(v), 3) for k, v in sums.items()}, flush=True)


if __name__ == "__main__":
    main()
