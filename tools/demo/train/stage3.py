"""Stage 3: everything together, from the encoders of stages 1 and 2."""
import argparse
import datetime
import json
import pathlib
import time

import numpy as np
import torch
import torch.nn.functional as F
from tokenizers import Tokenizer
from torch import Tensor
from torch.utils.data import DataLoader

from check_golden import load
from data.packs import Pack
from data.words import DIRECTIONS
from evaluate import report
from model.config import with_vocabulary
from model.packing import Batch, Packer, forward
from model.valley import Valley
from train import stage1
from train.loop import POOL, WARM, Run, optimisers, rate
from train.mix import Steps


def build(tokenizer: Tokenizer, start: pathlib.Path | None = None) -> tuple[Valley, dict]:
    """A fresh model with its config, or the checkpoint `start` made fit for the tokenizer; vocabulary rounded up to 32."""
    size = -(-tokenizer.get_vocab_size() // 32) * 32
    if start:
        return grown(*load(start), tokenizer, size)
    config = with_vocabulary(size, {t.content: i for i, t in tokenizer.get_added_tokens_decoder().items()})
    model = Valley(config)
    torch.nn.init.normal_(model.model.language_model.embed_tokens.weight, std=0.05)
    return model, config


@torch.no_grad()
def grown(model: Valley, config: dict, tokenizer: Tokenizer, size: int) -> tuple[Valley, dict]:
    """The model with `size` rows: a new entry's embedding is the mean of its two parts, its output row half the first's."""
    merges = json.loads(tokenizer.to_str())["model"]["merges"]
    parts = {a + b: [tokenizer.token_to_id(x) for x in (a, b)] for a, b in merges}
    old = config["text_config"]["vocab_size"]
    config = config | {"text_config": config["text_config"] | {"vocab_size": size}}
    result, state = Valley(config), model.state_dict()
    for name in ("model.language_model.embed_tokens.weight", "lm_head.weight"):
        rows = torch.zeros(size, state[name].shape[1])
        rows[:old] = state[name]
        for i in range(old, tokenizer.get_vocab_size()):
            a, b = parts[tokenizer.id_to_token(i)]
            rows[i] = 0.5 * (rows[a] if name == "lm_head.weight" else rows[a] + rows[b])
        state[name] = rows
    result.load_state_dict(state)
    return result, config


def take_encoders(model: Valley, heads: stage1.Heads, vision: pathlib.Path | None, speech: pathlib.Path | None) -> None:
    """Copies what stages 1 and 2 have trained."""
    if vision:
        state = torch.load(vision, weights_only=True)["modules"]
        model.model.visual.load_state_dict(state["vision"])
        heads.load_state_dict(state["heads"])
    if speech:
        state = torch.load(speech, weights_only=True)["modules"]["speech"]
        own = {k: v for k, v in state.items() if not k.startswith("head.")}
        model.model.load_state_dict(own, strict=False)


def auxiliary(heads: stage1.Heads, features: tuple[Tensor, list[Tensor]], b: Batch, packs: list[Pack]) -> Tensor | None:
    """Stage 1's losses on the pictures of a batch, or on the direction in each pair of frames; None where neither fits."""
    if packs[0].video and "direction" in packs[0].labels:
        tokens = b.grid[0] * b.grid[1] // 4
        merged, taps = features[0], features[1]
        pairs = merged.shape[1] // tokens
        out = heads(*(merged.unflatten(1, (pairs, tokens)).flatten(0, 1),
                      [t.unflatten(1, (pairs, tokens)).flatten(0, 1) for t in taps]))
        y = torch.tensor([DIRECTIONS.index(p.labels["direction"]) for p in packs]).repeat_interleave(pairs)
        return 4 * F.cross_entropy(out["direction"], y)
    if packs[0].video or packs[0].frames is None:
        return None
    rows, columns = b.grid[0] // 2, b.grid[1] // 2
    ys = [stage1.labels(p.labels["picture"], "", rows, columns) for p in packs]
    y = {k: torch.from_numpy(np.stack([y[k] for y in ys])) for k in ys[0]}
    return stage1.losses(heads(*features), y)[0]


def gradients(model: Valley, heads: stage1.Heads, parameters: list[Tensor], batch: Batch, packs: list[Pack],
              weight: float) -> tuple[tuple[Tensor | None, ...], dict[str, float]]:
    """Gradients of one batch's loss, auxiliary losses at `weight` included, and the losses by name."""
    logits, features = forward(model, batch)
    each = F.cross_entropy(logits.float(), batch.target, reduction="none")
    loss = (each * batch.weight).sum() / batch.weight.sum()
    kind = batch.tasks[0].split("_")[0]
    notes = {f"loss_{kind}": loss.item()}
    extra = auxiliary(heads, features, batch, packs) if features and weight else None
    if extra is not None:
        notes["aux_" + kind] = extra.item()
        loss = loss + weight * extra
    return torch.autograd.grad(loss, parameters, allow_unused=True), notes


def look(model: Valley, heads: stage1.Heads, parameters: list[Tensor], batch: tuple[Tensor, dict[str, Tensor], tuple[int, int]],
         weight: float) -> tuple[tuple[Tensor | None, ...], dict[str, float]]:
    """Gradients of stage 1's losses at `weight` on one of its batches, for the vision tower and the heads alone."""
    rows, y, (height, width) = batch
    features = model.see(rows[:, None], height // 16, width // 16)
    loss, right = stage1.losses(heads(*features), y)
    keep = ("at_tens", "at_ones", "at_product", "at_kind", "direction")
    return (torch.autograd.grad(weight * loss, parameters, allow_unused=True),
            {"look": loss.item(), **{k: v for k, v in right.items() if k in keep}})


def clock(text: str) -> float:
    """The time of HH:MM today, in seconds since the epoch."""
    hours, minutes = map(int, text.split(":"))
    return datetime.datetime.now().replace(hour=hours, minute=minutes, second=0).timestamp()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("--tokenizer", type=pathlib.Path, required=True)
    parser.add_argument("--start", type=pathlib.Path, help="a checkpoint folder to go on from, with its own tokenizer")
    parser.add_argument("--vision", type=pathlib.Path, help="stage 1's state, taken at a fresh start, or with --swap")
    parser.add_argument("--speech", type=pathlib.Path)
    parser.add_argument("--first", type=int, default=0, help="number of the leg's first step: others draw other examples")
    parser.add_argument("--swap", action="store_true", help="take the vision tower again although the run goes on")
    parser.add_argument("--freeze-vision", action="store_true")
    parser.add_argument("--steps", type=int, default=1200)
    parser.add_argument("--stop", type=int, default=0, help="end here without decay, to be continued")
    parser.add_argument("--decay", type=float, default=0.4, help="share of the steps over which the rate falls to 0")
    parser.add_argument("--until", help="HH:MM today; instead of --steps: the rate falls over the last --decay-minutes")
    parser.add_argument("--decay-minutes", type=float, default=25)
    parser.add_argument("--scale", type=float, default=1.0, help="of all learning rates")
    parser.add_argument("--encoder-scale", type=float, default=0.5, help="of the audio encoder's rates beside the trunk's")
    parser.add_argument("--vision-scale", type=float, default=0.5, help="of the vision tower's")
    parser.add_argument("--sizes", type=int, nargs=3, default=[24, 16, 8], help="packs of pictures, temporal, text")
    parser.add_argument("--look", type=int, default=24, help="pictures a step for the vision tower and stage 1's heads alone")
    parser.add_argument("--auxiliary", type=float, default=0.05)
    parser.add_argument("--evaluate", type=int, default=200)
    args = parser.parse_args()
    torch.manual_seed(3)
    tokenizer = Tokenizer.from_file(str(args.tokenizer))
    packer = Packer(tokenizer)
    model, config = build(tokenizer, args.start)
    heads = stage1.Heads(config["text_config"]["hidden_size"], len(config["vision_config"]["deepstack_visual_indexes"]))
    fresh = not args.out.exists()
    if fresh:
        take_encoders(model, heads, args.vision, args.speech)
    model.model.visual.requires_grad_(not args.freeze_vision)

    def part(name: str) -> tuple[str, float]:
        if ".visual." in name:
            return "vision", args.vision_scale
        return ("sound", args.encoder_scale) if ".audio_encoder." in name else ("trunk", 1.0)

    named = [*model.named_parameters(), *heads.named_parameters(prefix="heads")]
    run = Run(args.out, {"model": model, "heads": heads},
              optimisers(named, 2e-3 * args.scale, 1e-3 * args.scale, part, skip=".audio_encoder."))
    if args.swap and not fresh:
        take_encoders(model, heads, args.vision, None)
    run.step = args.first if fresh else run.step
    sizes = dict(zip(("pictures", "temporal", "texts"), args.sizes))
    data = iter(DataLoader(Steps(packer, run.step, sizes, args.look), batch_size=None, num_workers=1, prefetch_factor=3))
    end = args.first + (args.stop or args.steps)
    parameters = [p for o in run.opts for g in o.param_groups for p in g["params"] if p.requires_grad]

    def work(job: tuple) -> tuple[tuple[Tensor | None, ...], dict[str, float]]:
        if isinstance(job[0], Tensor):
            return look(model, heads, parameters, job, args.auxiliary)
        return gradients(model, heads, parameters, *job, args.auxiliary)

    over = clock(args.until) if args.until else None
    while run.step < end and (over is None or time.time() < over):
        if run.step % args.evaluate == 0 and run.step:
            report(model, packer, 1)
        notes: dict[str, float] = {}
        for grads, values in POOL.map(work, next(data)):
            notes |= values
            for p, grad in zip(parameters, grads):
                if grad is not None:
                    p.grad = grad if p.grad is None else p.grad.add_(grad)
        done = run.step - args.first
        run.apply(rate(done, args.steps, decay=args.decay) if over is None else
                  max(0.0, min((done + 1) / WARM, 1.0, (over - time.time()) / (60 * args.decay_minutes))))
        run.note(notes, 25)
    run.save()
    report(model, packer, 2)


if __name__ == "__main__":
    main()
