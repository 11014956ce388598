"""Exact match by teacher forcing on held-out combinations, one figure a task; float32, or rounded to int4."""
import argparse
import json
import pathlib
import random

import torch
from tokenizers import Tokenizer

from check_golden import load
from data import geometry, packs
from model.packing import Packer, forward
from model.valley import Valley

# (kind, style): share of the questions asked
PLAN = {("shapes", "plain"): 5, ("product", "plain"): 5, ("speech", "plain"): 3, ("sequence", "plain"): 3, ("moving", "plain"): 3,
        ("voice_over", "plain"): 5, ("tagged_speech", "plain"): 2, ("text", "plain"): 2, ("text", "tools"): 2,
        ("product", "tools"): 1, ("product", "think"): 1, ("shapes", "think"): 1, ("speech", "think"): 1,
        ("voice_over", "think"): 1, ("product", "follow_up"): 1, ("shapes", "follow_up"): 1, ("product", "text_first"): 1,
        ("speech", "text_first"): 1}
UNSEEN = {("product", "plain"): 2, ("speech", "plain"): 2}


def round_int4(model: Valley) -> None:
    """Rounds all matrices but the position table to int4 in groups of 32 with float16 scale and minimum, in place."""
    with torch.no_grad():
        for name, p in model.named_parameters():
            if p.ndim < 2 or "pos_embed" in name or "conv2d" in name:
                continue
            flat = p.view(p.shape[0], -1)
            for at in range(0, flat.shape[1], 32):
                part = flat[:, at:at + 32]
                low = part.amin(1, keepdim=True).half().float()
                scale = ((part.amax(1, keepdim=True) - low) / 15).half().float().clamp(min=1e-8)
                part.copy_(((part - low) / scale).round().clamp(0, 15) * scale + low)


@torch.no_grad()
def run(model: Valley, packer: Packer, plan: dict, rounds: int, unseen: bool = False, size: int = 12,
        seed: int = 0) -> dict[str, tuple[int, int]]:
    """{task: (right, asked)}; `rounds` batches for each unit of the plan."""
    counts: dict[str, tuple[int, int]] = {}
    for (kind, style), share in plan.items():
        for r in range(share * rounds):
            rng = random.Random(f"eval-{seed}-{kind}-{style}-{r}")
            seconds = rng.choice([2.2, 2.7, 3.2, 4.0, 6.0])
            frames = packs.videos.frame_count(seconds, 25) if kind == "voice_over" else rng.choice([4, 6, 8])
            shape = packs.Shape(kind, geometry.draw_grid(rng), frames, seconds, style)
            made = [packs.make(rng, "eval", shape, 8 if style == "plain" else 3, unseen) for _ in range(size)]
            batch = packer.collate(made)
            right = forward(model, batch)[0].argmax(-1) == batch.target
            for i, task in enumerate(batch.tasks):
                task = {"text_first": f"first_{kind}", "plain": task}.get(style, task)
                task = f"unseen_{task}" if unseen else f"{kind}_{task}" if style in ("think", "follow_up") else task
                good, asked = counts.get(task, (0, 0))
                counts[task] = (good + bool(right[batch.segment == i].all()), asked + 1)
    return counts


def report(model: Valley, packer: Packer, rounds: int, seed: int = 0) -> dict[str, float]:
    """Prints and returns the accuracy of each task in percent, unseen variants, vendor and fonts included."""
    model.eval()
    counts = run(model, packer, PLAN, rounds, seed=seed) | run(model, packer, UNSEEN, rounds, True, seed=seed)
    model.train()
    figures = {t: round(100 * a / b, 1) for t, (a, b) in sorted(counts.items())}
    print("eval", json.dumps(figures), flush=True)
    return figures


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--checkpoint", type=pathlib.Path, required=True)
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--int4", action="store_true")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    model, _ = load(args.checkpoint)
    if args.int4:
        round_int4(model)
    report(model, Packer(Tokenizer.from_file(str(args.checkpoint / "tokenizer.json"))), args.rounds, args.seed)


if __name__ == "__main__":
    main()
