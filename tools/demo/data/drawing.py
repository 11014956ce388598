"""Drawing primitives: colours with jitter, backgrounds, shapes, price tags, camera effects."""
import io
import math
import random

import numpy as np
from PIL import Image, ImageDraw

from . import assets
from .words import COLOURS, JITTER


def paint(rng: random.Random, colour: str) -> tuple[int, int, int]:
    """An RGB value that is called by this name; often exactly a common one."""
    anchor = rng.choice(COLOURS[colour])
    if rng.random() < 0.4:
        return anchor
    reach = JITTER.get(colour, 16)
    return tuple(min(255, max(0, v + rng.randint(-reach, reach))) for v in anchor)


def distance(a: tuple, b: tuple) -> float:
    """Rough visible distance of two RGB values, 0 to about 765."""
    return math.sqrt(2 * (a[0] - b[0]) ** 2 + 4 * (a[1] - b[1]) ** 2 + 3 * (a[2] - b[2]) ** 2)


def background(rng: random.Random, size: tuple[int, int], rgb: tuple, plain: float = 0.6) -> Image.Image:
    """A (width, height) picture in one colour, or with a slight gradient, vignette or noise over it."""
    image = Image.new("RGB", size, rgb)
    if rng.random() < plain:
        return image
    reach = rng.uniform(4, 22)
    if rng.random() < 0.5:
        small = np.array(rgb)[None, None] + np.array([[-reach], [reach]]).reshape(2, 1, 1) * np.ones((2, 2, 1))
        if rng.random() < 0.5:
            small = small.transpose(1, 0, 2)
        small = Image.fromarray(small.clip(0, 255).astype(np.uint8))
        return small.resize(size, Image.BILINEAR)
    noise = np.random.default_rng(rng.getrandbits(32)).normal(0, reach / 3, (size[1] // 2 + 1, size[0] // 2 + 1, 1))
    noisy = Image.fromarray((np.array(rgb)[None, None] + noise).clip(0, 255).astype(np.uint8))
    return noisy.resize(size, Image.BILINEAR)


def polygon(kind: str, x: float, y: float, size: float, angle: float) -> list[tuple[float, float]]:
    """Corners of a shape in a box of side `size` px around (x, y), turned by `angle` radians."""
    r = size / 2
    if kind == "square":
        r *= 0.9
        points = [(-r, -r), (r, -r), (r, r), (-r, r)]
    elif kind == "triangle":
        points = [(0, -r), (r, r * 0.85), (-r, r * 0.85)]
    else:
        inner = 0.42
        points = [((r if i % 2 == 0 else r * inner) * math.sin(i * math.pi / 5),
                   -(r if i % 2 == 0 else r * inner) * math.cos(i * math.pi / 5)) for i in range(10)]
    c, s = math.cos(angle), math.sin(angle)
    return [(x + px * c - py * s, y + px * s + py * c) for px, py in points]


def draw_shape(draw: ImageDraw.ImageDraw, kind: str, box: tuple[float, float, float], angle: float, rgb: tuple,
               outline: tuple | None) -> None:
    """Draws one shape; box is (centre x, centre y, size) in px."""
    x, y, size = box
    width = max(1, round(size / 18)) if outline else 0
    if kind == "circle":
        draw.ellipse((x - size / 2, y - size / 2, x + size / 2, y + size / 2), rgb, outline, width or 1)
    else:
        draw.polygon(polygon(kind, x, y, size, angle), rgb, outline, width or 1)


def tag_text(font: int, price: int, height: int, rgb: tuple) -> tuple[Image.Image, list[float]]:
    """The price as RGBA, `height` px high, and the centre of each character as a share of the width."""
    cells = [assets.glyphs(font)[c] for c in f"${price}"]
    total = sum(c.width for c in cells)
    mask = Image.new("L", (total, 64))
    centres, x = [], 0
    for cell in cells:
        mask.paste(cell, (x, 0))
        centres.append((x + cell.width / 2) / total)
        x += cell.width
    mask = mask.crop((0, 6, total, 62)).resize((max(1, round(total * height / 56)), height), Image.BICUBIC)
    text = Image.new("RGBA", mask.size, (*rgb, 0))
    text.putalpha(mask)
    return text, centres


def recolour(rng: random.Random, sprite: Image.Image) -> Image.Image:
    """Training only: mixes the channels of a drawing, pales it or flattens its shades."""
    data = np.asarray(sprite).astype(np.float32)
    rgb = data[..., :3]
    kind = rng.random()
    if kind < 0.5:
        mix = np.eye(3) + np.array([[rng.uniform(-0.25, 0.25) for _ in range(3)] for _ in range(3)])
        rgb = rgb @ (mix / mix.sum(1, keepdims=True)).T.astype(np.float32)
    elif kind < 0.8:
        grey, keep = rgb.mean(-1, keepdims=True), rng.uniform(0, 0.8)
        rgb = grey + (rgb - grey) * keep
    else:
        gain, shift = rng.uniform(0.6, 1.3), rng.uniform(-40, 40)
        rgb = (rgb - 128) * gain + 128 + shift
    return Image.fromarray(np.concatenate([rgb, data[..., 3:]], -1).clip(0, 255).astype(np.uint8))


def compress(image: Image.Image, quality: int) -> Image.Image:
    """The picture as a JPEG of this quality gives it back; quality 0 leaves it as it is."""
    if not quality:
        return image
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality)
    return Image.open(buffer).convert("RGB")


def camera(rng: random.Random, image: Image.Image) -> Image.Image:
    """JPEG artefacts, as photographs have them, in a quarter of the pictures."""
    return compress(image, rng.randint(45, 95) if rng.random() < 0.25 else 0)
