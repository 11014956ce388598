"""Sizes: the processor's smart_resize, the grids that are trained, and source sizes that lead to them."""
import math
import random

from PIL import Image

FACTOR = 32  # px, patch 16 × merge 2
MIN_PIXELS, MAX_PIXELS = 9216, 12288
# (height, width) in px after the resize -> share in training
GRIDS = {(96, 96): 80, (96, 128): 11, (128, 96): 9}


def smart_resize(height: int, width: int) -> tuple[int, int]:
    """(height, width) in px that the picture processor resizes to."""
    h, w = round(height / FACTOR) * FACTOR, round(width / FACTOR) * FACTOR
    if h * w > MAX_PIXELS:
        beta = math.sqrt(height * width / MAX_PIXELS)
        h = max(FACTOR, math.floor(height / beta / FACTOR) * FACTOR)
        w = max(FACTOR, math.floor(width / beta / FACTOR) * FACTOR)
    elif h * w < MIN_PIXELS:
        beta = math.sqrt(MIN_PIXELS / (height * width))
        h, w = math.ceil(height * beta / FACTOR) * FACTOR, math.ceil(width * beta / FACTOR) * FACTOR
    return h, w


def draw_grid(rng: random.Random) -> tuple[int, int]:
    """A (height, width) of GRIDS by its share."""
    return rng.choices(list(GRIDS), list(GRIDS.values()))[0]


def draw_source(rng: random.Random, grid: tuple[int, int], largest: int = 320) -> tuple[int, int]:
    """A source size (height, width) in px that smart_resize turns into the grid; the shorter side is 64 or more."""
    height, width = grid
    while True:
        if height == width and rng.random() < 0.6:
            aspect = 1.0
        else:
            aspect = width / height * math.exp(rng.uniform(-0.35, 0.35))
        short = math.exp(rng.uniform(math.log(64), math.log(largest)))
        h, w = (short, short * aspect) if aspect >= 1 else (short / aspect, short)
        h, w = round(h), round(w)
        if smart_resize(h, w) == grid:
            return h, w


def fit(image: Image.Image) -> Image.Image:
    """The picture as the processor resizes it (RGB, bicubic with antialias)."""
    height, width = smart_resize(image.height, image.width)
    if image.size == (width, height):
        return image
    return image.resize((width, height), Image.BICUBIC)
