"""Boards: many tags, products and shapes in one picture, to teach the vision tower more with each picture."""
import math
import random
from dataclasses import dataclass

from PIL import Image, ImageDraw

from . import drawing, pictures
from .words import BACKGROUNDS, NAMES, SHAPE_COLOURS, SHAPES, TAG_COLOURS


@dataclass
class Mark:
    """Something whose centre is at (x, y), shares of width and height."""
    kind: str  # product, tens, ones, shape
    value: object  # product; digit; (shape, colour)
    x: float
    y: float


@dataclass
class Board:
    image: Image.Image
    background: str
    marks: list[Mark]


def board(rng: random.Random, split: str, size: tuple[int, int]) -> Board:
    """A (width, height) picture in quarters (or sixths), most of them with a tag, a product or a shape."""
    width, height = size
    ground = rng.choice(BACKGROUNDS)
    ground_rgb = drawing.paint(rng, ground)
    image, marks = drawing.background(rng, size, ground_rgb), []
    scale = pictures.final_scale(size)
    columns = 3 if width > 1.2 * height else 2
    rows = 3 if height > 1.2 * width else 2
    cell = (width / columns, height / rows)
    for i in range(columns * rows):
        if rng.random() < 0.1:
            continue
        x, y = ((i % columns) + rng.uniform(0.42, 0.58)) * cell[0], ((i // columns) + rng.uniform(0.42, 0.58)) * cell[1]
        kind = rng.random()
        if kind < 0.6:
            price = rng.randint(1, 99)
            tall = max(6, round(math.exp(rng.uniform(math.log(17), math.log(28))) / scale))
            tag, offsets = pictures.make_tag(rng, rng.choice([c for c in TAG_COLOURS if c != ground]), price, tall, 0.8 * cell[0])
            image.paste(tag, (round(x - tag.width / 2), round(y - tag.height / 2)), tag)
            digits = [int(d) for d in str(price)]
            for name, digit, (dx, dy) in zip(("tens", "ones")[-len(digits):], digits, offsets):
                marks.append(Mark(name, digit, (x + dx) / width, (y + dy) / height))
        elif kind < 0.85:
            product = rng.choice(NAMES)
            pictures.paste_sprite(image, pictures.sprite(rng, split, product), x, y, rng.uniform(0.8, 1.05) * min(cell))
            marks.append(Mark("product", product, x / width, y / height))
        else:
            shape, colour = rng.choice(SHAPES), rng.choice(SHAPE_COLOURS)
            rgb = drawing.paint(rng, colour)
            if colour == ground or drawing.distance(rgb, ground_rgb) < 130:
                continue
            extent = rng.uniform(0.35, 0.9) * min(cell)
            drawing.draw_shape(ImageDraw.Draw(image), shape, (x, y, extent), 0.0, rgb, None)
            marks.append(Mark("shape", (shape, colour), x / width, y / height))
    return Board(drawing.camera(rng, image), ground, marks)
