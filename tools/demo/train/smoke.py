"""A few steps of every stage on fixed small batches: asserts that each loss falls (two minutes at most)."""
import pathlib
import tempfile

import torch
import torch.nn.functional as F
from tokenizers import Tokenizer
from torch import Tensor

from model.config import BASE
from model.packing import Packer, forward
from model.vision import Vision
from train import stage1, stage2, stage3
from train.loop import Run, optimisers
from train.mix import make_batch


def fit(name: str, run: Run, losses, steps: int) -> None:
    """Steps on one batch; the loss must fall by a fifth at least."""
    history = []
    for _ in range(steps):
        loss: Tensor = losses()
        history.append(loss.item())
        run.update(loss, min(1.0, (run.step + 1) / 4))
    print(f"{name}: {history[0]:.3f} -> {history[-1]:.3f}", flush=True)
    assert history[-1] < 0.8 * history[0], f"{name} does not learn"


def main() -> None:
    torch.manual_seed(0)
    tokenizer = Tokenizer.from_file(str(pathlib.Path(__file__).parent.parent / "tokenizer.json"))
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder)
        vision, heads = Vision(BASE["vision_config"]), stage1.Heads(256, 3)
        named = [*vision.named_parameters(prefix="v"), *heads.named_parameters(prefix="h")]
        rows, y, (height, width) = stage1.batch(0, "train", 16)
        fit("stage 1", Run(path / "1.pt", {"vision": vision, "heads": heads}, optimisers(named, 2e-3, 1e-3)),
            lambda: stage1.losses(heads(*vision(rows, height // 16, width // 16)), y)[0], 10)

        speech = stage2.Speech()
        mel, words = stage2.batch(0, "train", 8)
        fit("stage 2", Run(path / "2.pt", {"speech": speech}, optimisers(list(speech.named_parameters(prefix="m")), 2e-3, 1e-3)),
            lambda: F.cross_entropy(speech(mel).flatten(0, 1), words.flatten()), 10)

        model, _ = stage3.build(tokenizer)
        packer = Packer(tokenizer)
        batches = [make_batch(packer, "smoke", "train", group, 4)[0] for group in ("pictures", "temporal", "texts")]
        run = Run(path / "3.pt", {"model": model}, optimisers(list(model.named_parameters()), 2e-3, 1e-3))
        fit("stage 3", run, lambda: sum(F.cross_entropy(forward(model, b)[0], b.target) for b in batches), 10)
        run.save()
        again = Run(path / "3.pt", {"model": stage3.build(tokenizer)[0]}, optimisers(list(model.named_parameters()), 2e-3, 1e-3))
        assert again.step == 10, "a saved state does not continue"
    print("smoke training passed")


if __name__ == "__main__":
    main()
