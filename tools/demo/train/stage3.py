"""Stage 3: everything together, from the encoders of stages 1 and 2."""
import argparse
import pathlib

import numpy as np
import torch
import torch.nn.functional as F
from tokenizers import Tokenizer
from torch import Tensor
from torch.utils.data import DataLoader

from check_golden import load
from evaluate import report
from model.config import with_vocabulary
from model.packing import Batch, Packer, forward
from model.valley import Valley
from train import stage1
from train.loop import Run, optimisers, rate
from train.mix import Steps


def build(tokenizer: Tokenizer, start: pathlib.Path | None = None) -> tuple[Valley, dict]:
    """A fresh model with its config, or the checkpoint `start`; the vocabulary is rounded up to 32."""
    if start:
        return load(start)
    size = -(-tokenizer.get_vocab_size() // 32) * 32
    config = with_vocabulary(size, {t.content: i for i, t in tokenizer.get_added_tokens_decoder().items()})
    model = Valley(config)
    torch.nn.init.normal_(model.model.language_model.embed_tokens.weight, std=0.05)
    return model, config


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


def auxiliary(heads: stage1.Heads, features: tuple[Tensor, list[Tensor]], b: Batch, labels: list[dict]) -> Tensor:
    """Stage 1's losses on the pictures of a batch."""
    rows, columns = b.grid[0] // 2, b.grid[1] // 2
    ys = [stage1.labels(each["picture"], "", rows, columns) for each in labels]
    y = {k: torch.from_numpy(np.stack([y[k] for y in ys])) for k in ys[0]}
    return stage1.losses(heads(*features), y)[0]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("--tokenizer", type=pathlib.Path, required=True)
    parser.add_argument("--start", type=pathlib.Path, help="a checkpoint folder to go on from, with its own tokenizer")
    parser.add_argument("--vision", type=pathlib.Path, help="stage 1's state, taken at a fresh start, or with --swap")
    parser.add_argument("--speech", type=pathlib.Path)
    parser.add_argument("--swap", action="store_true", help="take the vision tower again although the run goes on")
    parser.add_argument("--freeze-vision", action="store_true")
    parser.add_argument("--steps", type=int, default=1200)
    parser.add_argument("--stop", type=int, default=0, help="end here without decay, to be continued")
    parser.add_argument("--decay", type=float, default=0.4)
    parser.add_argument("--scale", type=float, default=1.0, help="of all learning rates")
    parser.add_argument("--encoder-scale", type=float, default=0.5)
    parser.add_argument("--sizes", type=int, nargs=3, default=[24, 16, 8], help="packs of pictures, temporal, text")
    parser.add_argument("--without", nargs="*", default=[], help="kinds left out, while the vision tower is not ready")
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

    def scale(name: str) -> float:
        return args.encoder_scale if ".visual." in name or ".audio_encoder." in name else 1.0

    named = [*model.named_parameters(), *heads.named_parameters(prefix="heads")]
    run = Run(args.out, {"model": model, "heads": heads},
              optimisers(named, 2e-3 * args.scale, 1e-3 * args.scale, scale, skip=".audio_encoder."))
    if args.swap and not fresh:
        take_encoders(model, heads, args.vision, None)
    sizes = dict(zip(("pictures", "temporal", "texts"), args.sizes))
    data = iter(DataLoader(Steps(packer, run.step, sizes, frozenset(args.without)), batch_size=None, num_workers=1, prefetch_factor=3))
    end = args.stop or args.steps
    while run.step < end:
        if run.step % args.evaluate == 0 and run.step:
            report(model, packer, 1)
        total, notes = torch.zeros(()), {}
        for batch, labels in next(data):
            logits, features = forward(model, batch)
            each = F.cross_entropy(logits.float(), batch.target, reduction="none")
            loss = (each * batch.weight).sum() / batch.weight.sum()
            kind = batch.tasks[0].split("_")[0]
            notes[f"loss_{kind}"] = loss.item()
            total = total + loss
            if features and args.auxiliary and all("picture" in each_label for each_label in labels) and batch.mel is None:
                extra = auxiliary(heads, features, batch, labels)
                notes["auxiliary"] = extra.item()
                total = total + args.auxiliary * extra
        run.update(total, rate(run.step, args.steps, decay=args.decay))
        run.note(notes, 25)
    run.save()
    report(model, packer, 2)


if __name__ == "__main__":
    main()
