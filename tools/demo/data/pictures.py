"""Scenes: coloured shapes, and a product with a price tag; with the truth about them."""
import math
import random
from dataclasses import dataclass, field

from PIL import Image, ImageDraw

from . import assets, drawing
from .geometry import smart_resize
from .splits import fits
from .words import BACKGROUNDS, NAMES, PLACES, SHAPE_COLOURS, SHAPES, TAG_COLOURS


@dataclass
class Shape:
    kind: str
    colour: str
    place: str
    x: float  # centre, share of the width
    y: float  # centre, share of the height


@dataclass
class Tag:
    colour: str
    price: int
    digits: list[tuple[float, float]]  # centres of the one or two digits, shares of width and height


@dataclass
class Picture:
    image: Image.Image
    background: str
    shapes: list[Shape] = field(default_factory=list)
    product: str | None = None
    centre: tuple[float, float] = (0.5, 0.5)  # of the product
    tag: Tag | None = None


def final_scale(size: tuple[int, int]) -> float:
    """Pixels after the processor's resize per source pixel (geometric mean of the two axes)."""
    height, width = smart_resize(size[1], size[0])
    return math.sqrt(height * width / (size[0] * size[1]))


def shapes_picture(rng: random.Random, split: str, size: tuple[int, int], count: int | None = None) -> Picture:
    """One to three shapes that do not touch, in the corners or the middle of a (width, height) picture."""
    width, height = size
    count = count or rng.choices([1, 2, 3], [34, 34, 32])[0]
    ground = "white" if rng.random() < 0.8 else rng.choice(BACKGROUNDS)
    ground_rgb = drawing.paint(rng, ground)
    smooth = 2 if rng.random() < 0.5 else 1
    image = drawing.background(rng, (width * smooth, height * smooth), ground_rgb, 0.8)
    draw = ImageDraw.Draw(image)
    smallest = max(16 / final_scale(size), 0.17 * min(size))
    same = rng.random() < 0.4  # several of one kind, so that counting by kind matters
    shared = rng.choice(SHAPES)
    shapes, boxes = [], []
    for place in rng.sample(PLACES, 5):
        if len(shapes) == count:
            break
        i = PLACES.index(place)
        x, y = (0.5, 0.5) if place == "middle" else (0.25 + 0.5 * (i % 2), 0.25 + 0.5 * (i // 2))
        reach = 0.04 if place == "middle" else 0.08
        x, y = x + rng.uniform(-reach, reach), y + rng.uniform(-reach, reach)
        room = 2 * min(x * width, (1 - x) * width, y * height, (1 - y) * height)
        largest = min(room, (0.8 if place == "middle" and count == 1 else 0.45) * min(size))
        for _ in range(30):
            kind = shared if same and rng.random() < 0.6 else rng.choice(SHAPES)
            colour = rng.choice(SHAPE_COLOURS)
            rgb = drawing.paint(rng, colour)
            if colour != ground and drawing.distance(rgb, ground_rgb) > 130 and fits(split, kind, colour, place):
                break
        else:
            continue
        if largest < smallest:
            continue
        extent = math.exp(rng.uniform(math.log(smallest), math.log(largest)))
        if any(math.hypot(x * width - bx, y * height - by) < 0.56 * (extent + bs) for bx, by, bs in boxes):
            continue
        boxes.append((x * width, y * height, extent))
        turn = rng.uniform(-0.25, 0.25) if rng.random() < 0.5 else 0.0
        drawing.draw_shape(draw, kind, tuple(v * smooth for v in boxes[-1]), turn, rgb, None)
        shapes.append(Shape(kind, colour, place, x, y))
    if not shapes:
        return shapes_picture(rng, split, size, count)
    if smooth > 1:
        image = image.resize(size, Image.BOX)
    shapes.sort(key=lambda s: PLACES.index(s.place))
    return Picture(drawing.camera(rng, image), ground, shapes)


def sprite(rng: random.Random, split: str, product: str, unseen: bool = False) -> Image.Image:
    """A drawing of the product, RGBA 128 × 128 px; varied in training."""
    image = assets.sprites(rng.choice(assets.vendors_of(product, unseen)))[product]
    if split == "train" and rng.random() < 0.4:
        image = drawing.recolour(rng, image)
    if rng.random() < 0.3:
        image = image.transpose(Image.FLIP_LEFT_RIGHT)
    if rng.random() < 0.4:
        image = image.rotate(rng.uniform(-15, 15), Image.BILINEAR)
    return image


def paste_sprite(image: Image.Image, drawn: Image.Image, x: float, y: float, extent: float) -> None:
    """Pastes a drawing with its centre at (x, y) px and `extent` px wide."""
    side = max(2, round(extent))
    drawn = drawn.resize((side, side), Image.BILINEAR if side < 256 else Image.BICUBIC)
    image.paste(drawn, (round(x - side / 2), round(y - side / 2)), drawn)


def make_tag(rng: random.Random, colour: str, price: int, tall: int, widest: float,
             unseen: bool = False) -> tuple[Image.Image, list[tuple[float, float]]]:
    """A price tag (RGBA) with a line of text `tall` px high, `widest` px wide at most; its digits' offsets from the middle in px."""
    rgb = drawing.paint(rng, colour)
    dark = 0.3 * rgb[0] + 0.6 * rgb[1] + 0.1 * rgb[2] < 110 or (colour == "red" and rng.random() < 0.6)
    ink = (255, 255, 255) if dark else rng.choice([(0, 0, 0), (0, 0, 0), (40, 20, 20), (20, 20, 90)])
    text, centres = drawing.tag_text(rng.choice(assets.fonts(unseen)), price, tall, ink)
    if text.width > widest:
        text = text.resize((round(widest), max(5, round(text.height * widest / text.width))), Image.BICUBIC)
    pad_x, pad_y = round(text.height * rng.uniform(0.15, 0.5)), round(text.height * rng.uniform(0.05, 0.3))
    tag = Image.new("RGBA", (text.width + 2 * pad_x, text.height + 2 * pad_y))
    draw, corner = ImageDraw.Draw(tag), (0, 0, tag.width - 1, tag.height - 1)
    line = (60, 60, 60) if rng.random() < 0.4 else None
    if rng.random() < 0.5:
        draw.rectangle(corner, rgb, line)
    else:
        draw.rounded_rectangle(corner, tag.height * rng.uniform(0.1, 0.4), rgb, line)
    tag.alpha_composite(text, (pad_x, pad_y))
    angle = rng.uniform(-4, 4) if rng.random() < 0.1 else 0.0
    along = [pad_x + centre * text.width - tag.width / 2 for centre in centres[1:]]
    c, s = math.cos(math.radians(angle)), math.sin(math.radians(angle))
    return tag.rotate(angle, Image.BICUBIC, expand=True) if angle else tag, [(d * c, -d * s) for d in along]


def draw_tag(rng: random.Random, image: Image.Image, colour: str, price: int, unseen: bool, top: bool) -> Tag:
    """Draws a price tag near the upper or the lower edge."""
    width, height = image.size
    scale = final_scale(image.size)
    tag, offsets = make_tag(rng, colour, price, max(6, round(rng.uniform(18, 28) / scale)), 0.6 * width, unseen)
    x = rng.uniform(tag.width / 2, max(tag.width / 2, width - tag.width / 2))
    y = tag.height / 2 + rng.uniform(1, 7) / scale
    y = y if top else height - y
    image.paste(tag, (round(x - tag.width / 2), round(y - tag.height / 2)), tag)
    return Tag(colour, price, [((x + dx) / width, (y + dy) / height) for dx, dy in offsets])


def product_picture(rng: random.Random, split: str, size: tuple[int, int], product: str | None = None,
                    price: int | None = None, tagged: float = 0.9, unseen_vendor: bool = False,
                    unseen_font: bool = False) -> Picture:
    """A product on a coloured ground with a price tag (or none) in a (width, height) picture."""
    width, height = size
    while product is None or price is None:
        draw = product or rng.choice(NAMES), price or rng.randint(1, 99)
        if fits(split, *draw):
            product, price = draw
    ground = rng.choice(BACKGROUNDS)
    image = drawing.background(rng, size, drawing.paint(rng, ground))
    with_tag, top = rng.random() < tagged, rng.random() < 0.5
    extent = rng.uniform(0.45, 0.62 if with_tag else 0.9) * min(size)
    x = rng.uniform(extent * 0.48, width - extent * 0.48)
    y = rng.uniform(extent * 0.48, height - extent * 0.48)
    if with_tag:  # on the other side
        y = height - (extent * 0.5 + rng.uniform(0, 0.1) * height)
        y = y if top else height - y
    paste_sprite(image, sprite(rng, split, product, unseen_vendor), x, y, extent)
    tag = None
    if with_tag:
        colour = rng.choice([c for c in TAG_COLOURS if c != ground])
        tag = draw_tag(rng, image, colour, price, unseen_font, top)
    return Picture(drawing.camera(rng, image), ground, [], product, (x / width, y / height), tag)
