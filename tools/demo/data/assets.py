"""Sprites of the products and glyphs of the price tags, from assets/."""
import functools
import json
import pathlib

from PIL import Image

from .splits import UNSEEN_FONTS, UNSEEN_VENDOR

FOLDER = pathlib.Path(__file__).parent.parent / "assets"


@functools.cache
def index() -> dict:
    return json.loads((FOLDER / "index.json").read_text())


@functools.cache
def sprites(vendor: str) -> dict[str, Image.Image]:
    """{product: RGBA drawing of 128 × 128 px} of a vendor."""
    data, atlas = index(), Image.open(FOLDER / f"{vendor}.webp").convert("RGBA")
    size, columns = data["size"], data["columns"]
    cells = {}
    for i, product in enumerate(data["vendors"][vendor]):
        x, y = i % columns * size, i // columns * size
        cells[product] = atlas.crop((x, y, x + size, y + size))
    return cells


@functools.cache
def vendors_of(product: str, unseen: bool = False) -> list[str]:
    """The vendors that draw a product: the trained ones, or the one held out."""
    return [v for v, products in index()["vendors"].items() if product in products and (v == UNSEEN_VENDOR) == unseen]


@functools.cache
def glyphs(font: int) -> dict[str, Image.Image]:
    """{character: grey mask, 64 px high} of a font."""
    data = index()
    sheet = Image.open(FOLDER / "glyphs.png").convert("L")
    height, x, cells = data["glyph_height"], 0, {}
    for character, width in zip(data["characters"], data["glyph_widths"][font]):
        cells[character] = sheet.crop((x, font * height, x + width, (font + 1) * height))
        x += width
    return cells


def fonts(unseen: bool = False) -> range:
    """The font numbers: trained, or held out."""
    count = len(index()["fonts"])
    return range(count - UNSEEN_FONTS, count) if unseen else range(count - UNSEEN_FONTS)
