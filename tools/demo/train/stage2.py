"""Stage 2: the audio encoder and connector alone; every audio token says which word is being spoken."""
import argparse
import pathlib
import random

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from data import sentences, speech
from model.audio import AudioEncoder, Connector, token_count
from model.config import BASE
from train.loop import Run, optimisers, rate

WORDS = sentences.vocabulary()
INDEX = {w: i for i, w in enumerate(WORDS)}
SECONDS_A_TOKEN = 0.08


class Speech(nn.Module):
    """Encoder and connector under the names that the checkpoint uses, with a throw-away head over words and silence."""

    def __init__(self):
        super().__init__()
        c = BASE["audio_config"]
        self.audio_encoder = AudioEncoder(c)
        self.audio_connector = Connector(c["output_dim"], BASE["connector_hidden_size"], BASE["text_config"]["hidden_size"])
        self.head = nn.Linear(BASE["text_config"]["hidden_size"], len(WORDS) + 1)

    def forward(self, mel: Tensor) -> Tensor:
        """(n, 128, frames) -> logits (n, tokens, words + 1)"""
        return self.head(self.audio_connector(self.audio_encoder.encoder(mel)))


def example(rng: random.Random, split: str, seconds: float, unseen: bool) -> tuple[np.ndarray, np.ndarray]:
    """Log-mel (128, frames) of a clip of this length, and the word of each token."""
    sentence = sentences.draw(rng, split)
    wave, hz, starts = speech.speak(rng, sentence.words, unseen)
    clip, offset = speech.place(rng, wave, hz, seconds)
    mel = speech.log_mel(speech.resample(clip, hz)[:int(seconds * speech.TARGET)])
    y = np.full(token_count(mel.shape[1]), len(WORDS))
    ends = [*starts[1:], len(wave) / hz]
    for word, start, end in zip(sentence.words, starts, ends):
        first, last = ((offset + t) / SECONDS_A_TOKEN for t in (start, end))
        y[max(0, round(first)):max(0, round(last))] = INDEX[word.strip(",")]
    return mel, y


def batch(seed: int, split: str, size: int, unseen: bool = False) -> tuple[Tensor, Tensor]:
    rng = random.Random(seed)
    seconds = rng.choice([1.6, 2.2, 2.6, 3.0, 3.4, 4.0])
    mels, ys = zip(*(example(rng, split, seconds, unseen) for _ in range(size)))
    return torch.from_numpy(np.stack(mels)), torch.from_numpy(np.stack(ys))


def accuracy(logits: Tensor, y: Tensor) -> float:
    """Share of right tokens among those inside words."""
    some = y < len(WORDS)
    return (logits.argmax(-1) == y)[some].float().mean().item()


@torch.no_grad()
def evaluate(model: Speech) -> None:
    for unseen in (False, True):
        pairs = [batch(-1 - seed, "eval", 48, unseen) for seed in range(3)]
        print("eval", "unseen variants" if unseen else "seen variants",
              round(sum(accuracy(model(x), y) for x, y in pairs) / 3, 3), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--batch", type=int, default=48)
    args = parser.parse_args()
    torch.manual_seed(2)
    model = Speech()
    run = Run(args.out, {"speech": model}, optimisers(list(model.named_parameters(prefix="m")), 2e-3, 1e-3))
    while run.step < args.steps:
        if run.step % 200 == 0 and run.step:
            evaluate(model)
        mel, y = batch(run.step, "train", args.batch)
        logits = model(mel).float()
        loss = F.cross_entropy(logits.flatten(0, 1), y.flatten())
        right = accuracy(logits, y)
        run.update(loss, rate(run.step, args.steps))
        run.note({"loss": loss.item(), "right": right})
    run.save()
    evaluate(model)


if __name__ == "__main__":
    main()
