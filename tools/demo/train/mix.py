"""Which packs a training step holds: shares of kinds and styles, batch sizes, question weights."""
import random

from torch.utils.data import IterableDataset

from data import geometry, packs
from model.packing import Batch, Packer
from train import stage1

PICTURES = {"product": 55, "shapes": 45}
TEMPORAL = {"speech": 25, "sequence": 20, "moving": 14, "voice_over": 34, "tagged_speech": 7}
TEXTS = {("text", "plain"): 16, ("text", "tools"): 30, ("text", "think"): 2, ("product", "tools"): 6, ("product", "think"): 14,
         ("shapes", "think"): 8, ("speech", "think"): 10, ("sequence", "think"): 3, ("moving", "think"): 1,
         ("voice_over", "think"): 6, ("product", "follow_up"): 5, ("shapes", "follow_up"): 4}
# questions that need more practice than others
WEIGHTS = {"product_price": 1.5, "product_tag": 1.5, "product_name": 1.3, "product_describe": 1.3, "product_json": 1.3,
           "product_background": 0.2, "product_tag_colour": 0.4, "product_category": 0.7, "shapes_background": 0.3,
           "shapes_count_of": 2.0, "shapes_describe": 0.6}
SECONDS = [2.0, 2.5, 2.5, 3.0, 3.0, 3.5, 4.0]
FRAMES = [4, 4, 4, 4, 4, 6, 6, 8]


def draw_shape(rng: random.Random, group: str) -> packs.Shape:
    """The shape of a batch's packs; long clips are rare, as they cost most."""
    shares = {"pictures": PICTURES, "temporal": TEMPORAL, "texts": TEXTS}[group]
    pairs = {(k if isinstance(k, tuple) else (k, "plain")): share for k, share in shares.items()}
    kind, style = rng.choices(list(pairs), list(pairs.values()))[0]
    if style == "plain" and kind != "text" and rng.random() < 0.12:
        style = "text_first"
    seconds = rng.choice(SECONDS) if rng.random() < 0.95 else rng.uniform(5, 10)
    frames = rng.choice(FRAMES) if rng.random() < 0.94 else rng.choice([10, 12, 16, 20])
    if kind == "voice_over":
        frames = packs.videos.frame_count(max(2.0, seconds), 25.0)
    return packs.Shape(kind, geometry.draw_grid(rng), frames, round(seconds, 2), style)


def size_of(shape: packs.Shape, base: int) -> int:
    """Packs in a batch, fewer where each is long."""
    cost = 1.0 + (shape.frames / 8 if shape.kind in ("sequence", "moving", "voice_over") else 0)
    cost += shape.seconds / 8 if shape.kind in ("speech", "voice_over", "tagged_speech") else 0
    cost += 1.5 if shape.style in ("think", "tools") else 0.3 if shape.style == "follow_up" else 0
    return max(2, round(base * (1.6 if shape.style == "text_first" else 1.0) / cost))


def make_batch(packer: Packer, seed: str, split: str, group: str, base: int) -> tuple[Batch, list[packs.Pack]]:
    """The batch of one group that belongs to this seed, and its packs."""
    rng = random.Random(seed)
    shape = draw_shape(rng, group)
    count = 4 if shape.style == "tools" else 8 if shape.kind == "text" else 5
    made = [packs.make(rng, split, shape, count, weights=WEIGHTS) for _ in range(size_of(shape, base))]
    return packer.collate(made, verdict_weight=5.0), made


class Steps(IterableDataset):
    """Endless steps from `first` on: a list of batches each, one a group, and one of stage 1's with `look` pictures."""

    def __init__(self, packer: Packer, first: int, sizes: dict[str, int], look: int = 0):
        self.packer, self.first, self.sizes, self.look = packer, first, sizes, look

    def __iter__(self):
        step = self.first
        while True:
            made = [make_batch(self.packer, f"{step}-{g}", "train", g, n) for g, n in self.sizes.items() if n]
            yield made + ([stage1.batch(step, "train", self.look)] if self.look else [])
            step += 1
