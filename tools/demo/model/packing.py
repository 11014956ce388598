"""Batches of packs: padded ids, positions, the mask that keeps conversations apart, targets."""
from dataclasses import dataclass

import numpy as np
import torch
from tokenizers import Tokenizer
from torch import Tensor

from data.packs import Pack

from .audio import token_count
from .patches import patch_rows
from .positions import Media, build
from .valley import Valley

HIDE = -1e9


@dataclass
class Batch:
    ids: Tensor  # (n, length)
    positions: Tensor  # (3, n, length)
    mask: Tensor  # (n, 1, length, length), 0 or HIDE
    rows: Tensor | None  # (n, temporal, patches, 1536)
    grid: tuple[int, int]  # patches (rows, columns)
    mel: Tensor | None  # (n, 128, frames)
    visual: tuple[Tensor, Tensor] | None
    audio: tuple[Tensor, Tensor] | None
    at: tuple[Tensor, Tensor]  # (pack, index) of each token that predicts a counted one
    target: Tensor  # (count,) the predicted ids
    weight: Tensor  # (count,)
    segment: Tensor  # (count,) running number of the conversation
    tasks: list[str]  # of each conversation


class Packer:
    def __init__(self, tokenizer: Tokenizer):
        self.tokenizer = tokenizer
        self.special = {f"<|{k}_pad|>": tokenizer.token_to_id(f"<|{k}_pad|>") for k in ("image", "video", "audio")}

    def encode(self, text: str) -> list[int]:
        return self.tokenizer.encode(text).ids

    def media(self, pack: Pack) -> Media:
        media = Media()
        if pack.frames is not None:
            t, height, width, _ = pack.frames.shape
            if pack.video:
                media.videos.append((t // 2, height // 32, width // 32, pack.second_per_grid))
            else:
                media.pictures.append((height // 32, width // 32))
        if pack.mel is not None:
            media.sounds.append(token_count(pack.mel.shape[1]))
        return media

    def collate(self, packs: list[Pack], verdict_weight: float = 1.0) -> Batch:
        """Packs whose media have one shape -> a batch."""
        n, prompts, parts, tasks = len(packs), [], [], []
        at_row, at_column, target, weight, segment = [], [], [], [], []
        for row, pack in enumerate(packs):
            prompt = build(self.encode(pack.prefix), self.special, self.media(pack))
            start, part = prompt.next, [0] * len(prompt.ids)
            for number, s in enumerate(pack.segments, 1):
                prompt.next = start
                for text, counts in s.turns:
                    ids = self.encode(text)
                    if counts:
                        first = len(prompt.ids)
                        at_row += [row] * len(ids)
                        at_column += range(first - 1, first - 1 + len(ids))
                        target += ids
                        weight += self.weights(ids, text, s.weight, verdict_weight)
                        segment += [len(tasks)] * len(ids)
                    prompt.text(ids)
                    part += [number] * len(ids)
                tasks.append(s.task)
            prompts.append(prompt)
            parts.append(part)
        length = max(len(p.ids) for p in prompts)
        ids = np.zeros((n, length), np.int64)
        positions = np.zeros((3, n, length), np.float32)
        owner = np.full((n, length), -1)
        for row, (prompt, part) in enumerate(zip(prompts, parts)):
            ids[row, :len(part)] = prompt.ids
            positions[:, row, :len(part)] = np.array(prompt.positions, np.float32).T
            owner[row, :len(part)] = part
        return Batch(torch.from_numpy(ids), torch.from_numpy(positions), mask(torch.from_numpy(owner)), *self.stack(packs),
                     places([p.visual for p in prompts]), places([p.audio for p in prompts]),
                     (torch.tensor(at_row), torch.tensor(at_column)), torch.tensor(target),
                     torch.tensor(weight, dtype=torch.float32), torch.tensor(segment), tasks)

    def weights(self, ids: list[int], text: str, base: float, verdict_weight: float) -> list[float]:
        """A weight for each counted token; the verdict's first word counts more."""
        result = [base] * len(ids)
        for word in (": yes", ": no"):
            if word in text and "voice says" in text:
                before = len(self.encode(text[:text.index(word) + 1]))
                result[min(before, len(result) - 1)] *= verdict_weight
        return result

    @staticmethod
    def stack(packs: list[Pack]) -> tuple[Tensor | None, tuple[int, int], Tensor | None]:
        rows = grid = mel = None
        if packs[0].frames is not None:
            rows = torch.from_numpy(np.stack([patch_rows(p.frames) for p in packs]))
            grid = (packs[0].frames.shape[1] // 16, packs[0].frames.shape[2] // 16)
        if packs[0].mel is not None:
            mel = torch.from_numpy(np.stack([p.mel for p in packs]))
        return rows, grid or (0, 0), mel


def places(indices: list[list[int]]) -> tuple[Tensor, Tensor] | None:
    """(rows, columns) of media tokens, or None where there are none."""
    if not any(indices):
        return None
    rows = [r for r, line in enumerate(indices) for _ in line]
    return torch.tensor(rows), torch.tensor([c for line in indices for c in line])


def mask(owner: Tensor) -> Tensor:
    """owner (n, length): 0 prefix, 1 … segments, −1 padding. Causal, and the prefix or the own segment only."""
    length = owner.shape[1]
    same = owner[:, :, None] == owner[:, None]
    seen = (same | (owner[:, None] == 0)) & torch.ones(length, length).tril().bool()
    return torch.zeros(seen.shape).masked_fill(~seen, HIDE)[:, None]


def forward(model: Valley, b: Batch) -> tuple[Tensor, tuple[Tensor, list[Tensor]] | None]:
    """Logits (count, vocabulary) of the counted tokens, and the vision features (n, tokens, width)."""
    seen = heard = features = None
    taps: list[Tensor] = []
    if b.rows is not None:
        features = model.see(b.rows, *b.grid)
        seen, taps = features[0].flatten(0, 1), [f.flatten(0, 1) for f in features[1]]
    if b.mel is not None:
        heard = model.hear(b.mel).flatten(0, 1)
    h = model.hidden(b.ids, b.positions, b.mask, b.visual, seen, taps, b.audio, heard)
    return model.lm_head(h[b.at]), features
