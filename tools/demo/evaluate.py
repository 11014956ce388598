"""Exact match on held-out combinations, one figure a task; float32, or rounded to int4.

By teacher forcing (all argmax right is greedy exact match): on generated batches, while training goes on, or on the
questions and media files that make_eval.py wrote, one by one.
"""
import argparse
import json
import pathlib
import random

import torch
from tokenizers import Tokenizer

from check_golden import Perceived, Prompted, load, perceive
from data import geometry, packs
from model.packing import Packer, forward
from model.positions import Media
from model.valley import Valley
from rows import media_of, render

# (kind, style): share of the questions asked
PLAN = {("shapes", "plain"): 4, ("product", "plain"): 4, ("speech", "plain"): 3, ("sequence", "plain"): 5, ("moving", "plain"): 5,
        ("voice_over", "plain"): 6, ("tagged_speech", "plain"): 2, ("text", "plain"): 2, ("text", "tools"): 2,
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


def is_right(model: Valley, config: dict, tokenizer: Tokenizer, row: dict, media: Media, perceived: Perceived) -> bool:
    """Whether greedy decoding answers a row of questions.json rightly; of thoughts only the form counts."""
    prompted = Prompted(model, config, tokenizer.encode(render(row)).ids, media, perceived)
    if prompted.meets(tokenizer.encode(row.get("taught", row["expected"]) + "<|im_end|>").ids):
        return True
    if "reasoning_effort" not in row:
        return False
    text = tokenizer.decode(prompted.greedy(tokenizer.token_to_id("<|im_end|>"), 80)[:-1], skip_special_tokens=False)
    thought, _, answer = text.partition("\n</thinking>\n\n")
    return answer == row["expected"] and (thought == "<thinking>") == (row["reasoning_effort"] == "minimal")


def on_questions(model: Valley, config: dict, tokenizer: Tokenizer, folder: pathlib.Path) -> dict[str, bool]:
    """{id: right} of the questions in a folder, with a table of the tasks."""
    rows = json.loads((folder / "questions.json").read_text())
    right, last = {}, None
    for row in rows:
        files = [part[part["type"]] for m in row["messages"] for part in m["content"]
                 if isinstance(part, dict) and part["type"] != "text"]
        if files != last:  # questions about one scene come one after another
            media, arrays = media_of(row, folder)
            perceived, last = perceive(model, *arrays), files
        right[row["id"]] = is_right(model, config, tokenizer, row, media, perceived)
    for task in dict.fromkeys(row["task"] for row in rows):
        some = [right[row["id"]] for row in rows if row["task"] == task]
        print(f"{task:26} {sum(some):4} of {len(some)}  {100 * sum(some) / len(some):5.1f} %")
    print(f"all tasks: {100 * sum(right.values()) / len(right):.2f} %")
    return right


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--checkpoint", type=pathlib.Path, required=True, help="or what a state of stage 3 started from")
    parser.add_argument("--state", type=pathlib.Path, help="a state of stage 3 in training")
    parser.add_argument("--tokenizer", type=pathlib.Path, help="the state's, where it is not the checkpoint's")
    parser.add_argument("--questions", type=pathlib.Path, help="a folder of make_eval.py")
    parser.add_argument("--json", type=pathlib.Path, help="where to write which questions were right")
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--int4", action="store_true")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    tokenizer = Tokenizer.from_file(str(args.tokenizer or args.checkpoint / "tokenizer.json"))
    model, config = load(args.checkpoint)
    if args.state:
        state = torch.load(args.state, weights_only=True)["modules"]["model"]
        config["text_config"]["vocab_size"] = state["lm_head.weight"].shape[0]
        model = Valley(config)
        model.load_state_dict(state)
    if args.int4:
        round_int4(model)
    if not args.questions:
        report(model, Packer(tokenizer), args.rounds, args.seed)
        return
    right = on_questions(model.eval(), config, tokenizer, args.questions)
    if args.json:
        args.json.write_text(json.dumps(right))


if __name__ == "__main__":
    main()
