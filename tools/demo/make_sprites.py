"""Renders the product drawings of each emoji vendor into one WebP atlas, and the price-tag glyphs into one PNG.

Needs the npm packages @iconify-json/* (see make.sh) and Debian's fonts-dejavu and fonts-liberation2; the results are
committed under assets/, so that nothing else needs them.
"""
import argparse
import io
import json
import pathlib

import resvg_py
from PIL import Image, ImageDraw, ImageFont

from data.words import NAMES

ASSETS = pathlib.Path(__file__).parent / "assets"
SIZE = 128  # px, one sprite
GLYPH = 64  # px, height of one glyph row
COLUMNS = 8
VENDORS = ["noto", "noto-v1", "fluent-emoji", "fluent-emoji-flat", "emojione", "fxemoji", "streamline-emojis", "twemoji"]
ICONS = {
    "shirt": ["t-shirt"], "high heel": ["high-heeled-shoe"], "hat": ["womans-hat", "womanshat"],
    "tie": ["necktie", "tie"], "boot": ["womans-boot", "boot"], "glasses": ["glasses", "glasses-1"],
    "ring": ["ring", "ring-1"], "apple": ["red-apple", "redapple"], "strawberry": ["strawberry", "strawberry-1"],
    "burger": ["hamburger", "hamburger-1"], "donut": ["doughnut", "doughnut-1"], "cake": ["shortcake", "shortcake-1"],
    "pizza": ["pizza", "sliceofpizza", "pizza-1"], "football": ["soccer-ball", "soccerball"],
    "bowling ball": ["bowling"], "piano": ["musical-keyboard", "musicalkeyboard"],
    "scissors": ["scissors", "blackscissors"], "light bulb": ["light-bulb", "lightbulb"],
    "alarm clock": ["alarm-clock", "alarmclock"],
}
# drawings that show something else (a desktop computer)
SKIP = {("noto-v1", "laptop")}
FONTS = [
    "dejavu/DejaVuSans-Bold", "dejavu/DejaVuSans", "dejavu/DejaVuSansCondensed-Bold", "dejavu/DejaVuSansMono-Bold",
    "dejavu/DejaVuSerif-Bold", "dejavu/DejaVuSerif", "dejavu/DejaVuSans-BoldOblique",
    "liberation2/LiberationSans-Regular", "liberation2/LiberationSans-BoldItalic", "liberation2/LiberationMono-Bold",
    "liberation2/LiberationSerif-Regular", "", "liberation2/LiberationSans-Bold", "liberation2/LiberationSerif-Bold",
]
CHARACTERS = "$0123456789"


def render(icons: dict, name: str) -> Image.Image | None:
    """One icon as RGBA (SIZE, SIZE), or None where the set lacks it."""
    icon = icons["icons"].get(name)
    if icon is None:
        return None
    width, height = icon.get("width", icons.get("width", 16)), icon.get("height", icons.get("height", 16))
    left, top = icon.get("left", icons.get("left", 0)), icon.get("top", icons.get("top", 0))
    svg = (f'<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
           f'viewBox="{left} {top} {width} {height}" width="{SIZE}" height="{SIZE}">{icon["body"]}</svg>')
    data = bytes(resvg_py.svg_to_bytes(svg_string=svg, width=SIZE, height=SIZE))
    return Image.open(io.BytesIO(data)).convert("RGBA")


def trim(sprite: Image.Image) -> Image.Image:
    """Cuts empty borders off and centres the drawing in a square of SIZE."""
    box = sprite.getchannel("A").point(lambda a: 255 if a > 24 else 0).getbbox()
    sprite = sprite.crop(box)
    scale = SIZE / max(sprite.size)
    sprite = sprite.resize((max(1, round(sprite.width * scale)), max(1, round(sprite.height * scale))), Image.LANCZOS)
    out = Image.new("RGBA", (SIZE, SIZE))
    out.paste(sprite, ((SIZE - sprite.width) // 2, (SIZE - sprite.height) // 2))
    return out


def make_atlases(packages: pathlib.Path) -> dict:
    """Writes assets/<vendor>.webp and returns {vendor: [products in atlas order]}."""
    index = {}
    for vendor in VENDORS:
        icons = json.loads((packages / vendor / "icons.json").read_text())
        found = []
        for product in NAMES:
            if (vendor, product) in SKIP:
                continue
            names = ICONS.get(product, []) + [product.replace(" ", "-")]
            sprite = next((s for s in (render(icons, n) for n in names) if s), None)
            if sprite:
                found.append((product, trim(sprite)))
        atlas = Image.new("RGBA", (COLUMNS * SIZE, -(-len(found) // COLUMNS) * SIZE))
        for i, (_, sprite) in enumerate(found):
            atlas.paste(sprite, (i % COLUMNS * SIZE, i // COLUMNS * SIZE))
        atlas.save(ASSETS / f"{vendor}.webp", quality=88, alpha_quality=90, method=6)
        index[vendor] = [product for product, _ in found]
    return index


def make_glyphs(fonts: pathlib.Path) -> list[list[int]]:
    """Writes assets/glyphs.png (grey, one row a font) and returns the advance widths in px, a row a font."""
    rows, widths = [], []
    for name in FONTS:
        font = ImageFont.truetype(str(fonts / f"{name}.ttf"), 56) if name else ImageFont.load_default(56)
        cells, advances = [], []
        for character in CHARACTERS:
            advance = max(1, round(font.getlength(character)))
            cell = Image.new("L", (advance, GLYPH))
            ImageDraw.Draw(cell).text((0, 54), character, 255, font=font, anchor="ls")
            cells.append(cell)
            advances.append(advance)
        rows.append(cells)
        widths.append(advances)
    sheet = Image.new("L", (max(sum(w) for w in widths), GLYPH * len(rows)))
    for y, cells in enumerate(rows):
        x = 0
        for cell in cells:
            sheet.paste(cell, (x, y * GLYPH))
            x += cell.width
    sheet.save(ASSETS / "glyphs.png", optimize=True)
    return widths


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--packages", type=pathlib.Path, required=True, help="folder node_modules/@iconify-json")
    parser.add_argument("--fonts", type=pathlib.Path, default=pathlib.Path("/usr/share/fonts/truetype"))
    args = parser.parse_args()
    ASSETS.mkdir(exist_ok=True)
    index = {"size": SIZE, "columns": COLUMNS, "vendors": make_atlases(args.packages), "glyph_height": GLYPH,
             "characters": CHARACTERS, "fonts": FONTS, "glyph_widths": make_glyphs(args.fonts)}
    (ASSETS / "index.json").write_text(json.dumps(index, indent=1) + "\n")


if __name__ == "__main__":
    main()
