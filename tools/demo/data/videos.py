"""Clips as functions of time: something that moves, products one after another, a product with its price tag."""
import random
from collections.abc import Callable
from dataclasses import dataclass, field

from PIL import Image, ImageDraw

from . import drawing, pictures
from .splits import fits
from .words import BACKGROUNDS, DIRECTIONS, NAMES, SHAPE_COLOURS, SHAPES

STEPS = {"left": (-1, 0), "right": (1, 0), "up": (0, -1), "down": (0, 1)}


@dataclass
class Clip:
    frame: Callable[[float], Image.Image]  # of the time, 0 (first frame) to 1 (last frame)
    order: list[str] = field(default_factory=list)  # products in order
    thing: str = ""  # what moves: a product or a shape
    colour: str = ""  # of a moving shape
    direction: str = ""
    picture: pictures.Picture | None = None  # of a still scene


def moving(rng: random.Random, split: str, size: tuple[int, int]) -> Clip:
    """A product or a coloured shape that crosses nearly all of a (width, height) picture."""
    while True:
        direction = rng.choice(DIRECTIONS)
        product = rng.random() < 0.6
        thing = rng.choice(NAMES if product else SHAPES)
        colour = "" if product else rng.choice(SHAPE_COLOURS)
        if fits(split, thing, colour, direction):
            break
    width, height = size
    while True:
        ground = rng.choice(BACKGROUNDS if product else ["white"] * 6 + BACKGROUNDS)
        ground_rgb, rgb = drawing.paint(rng, ground), drawing.paint(rng, colour or ground)
        if product or (colour != ground and drawing.distance(rgb, ground_rgb) > 130):
            break
    base = drawing.background(rng, size, ground_rgb)
    extent = rng.uniform(0.35 if product else 0.2, 0.45) * min(size)
    drawn = pictures.sprite(rng, split, thing) if product else None
    axis = 0 if STEPS[direction][0] else 1
    inside = [(extent * 0.5, width - extent * 0.5), (extent * 0.5, height - extent * 0.5)]
    low, high = inside[axis]
    travel = rng.uniform(0.9, 1.0) * (high - low)
    start = rng.uniform(low, high - travel)
    ends = (start, start + travel) if sum(STEPS[direction]) > 0 else (start + travel, start)
    across = rng.uniform(*inside[1 - axis])
    wait = rng.choice([0.0, 0.0, 0.1])
    quality = rng.randint(50, 95) if rng.random() < 0.5 else 0

    def frame(u: float) -> Image.Image:
        share = min(1.0, max(0.0, (u - wait) / (1 - 2 * wait)))
        along = ends[0] + (ends[1] - ends[0]) * share
        x, y = (along, across) if axis == 0 else (across, along)
        image = base.copy()
        if drawn:
            pictures.paste_sprite(image, drawn, x, y, extent)
        else:
            drawing.draw_shape(ImageDraw.Draw(image), thing, (x, y, extent), 0.0, rgb, None)
        return drawing.compress(image, quality)

    return Clip(frame, thing=thing, colour=colour, direction=direction)


def sequence(rng: random.Random, split: str, size: tuple[int, int], count: int) -> Clip:
    """`count` products one after another, each on its own ground, each for at least 1 / (count + 1) of the time."""
    while True:
        order = rng.sample(NAMES, count)
        if all(fits(split, *pair) for pair in zip(order, order[1:])):
            break
    width, height = size
    scenes = []
    same = drawing.paint(rng, rng.choice(BACKGROUNDS)) if rng.random() < 0.4 else None
    for product in order:
        image = drawing.background(rng, size, same or drawing.paint(rng, rng.choice(BACKGROUNDS)))
        extent = rng.uniform(0.55, 0.8) * min(size)
        x, y = rng.uniform(extent / 2, width - extent / 2), rng.uniform(extent / 2, height - extent / 2)
        scenes.append((image, pictures.sprite(rng, split, product), x, y, extent))
    slack = rng.uniform(-0.5, 0.5) / (count * (count + 1))
    cuts = [(i + 1) / count + slack * rng.choice([-1, 1]) for i in range(count - 1)]
    drift = rng.uniform(-0.06, 0.06) * width if rng.random() < 0.5 else 0.0
    quality = rng.randint(50, 95) if rng.random() < 0.5 else 0

    def frame(u: float) -> Image.Image:
        image, drawn, x, y, extent = scenes[sum(u >= cut for cut in cuts)]
        image = image.copy()
        pictures.paste_sprite(image, drawn, x + drift * (u - 0.5), y, extent)
        return drawing.compress(image, quality)

    return Clip(frame, order=order)


def still(rng: random.Random, picture: pictures.Picture) -> Clip:
    """A product picture seen by a camera that moves a little or not at all."""
    image = picture.image
    width, height = image.size
    reach = rng.choice([0.0, 0.0, 0.03, 0.05])
    towards = (rng.uniform(-1, 1), rng.uniform(-1, 1))

    def frame(u: float) -> Image.Image:
        if not reach:
            return image
        dx, dy = (round(reach * (u - 0.5) * t * s) for t, s in zip(towards, image.size))
        return image.transform((width, height), Image.AFFINE, (1, 0, dx, 0, 1, dy), fillcolor=image.getpixel((1, 1)))

    return Clip(frame, picture=picture, order=[picture.product])


def frame_count(seconds: float, rate: float, fps: float = 2.0) -> int:
    """Frames that the server samples from a clip of this length and frame rate (2 a second, at least 4, even)."""
    total = max(2, round(seconds * rate))
    n = min(max(4, total / rate * fps), 768, total)
    return max(2, int(n) // 2 * 2)
