"""Word lists of the demo world: products, categories, colours, shapes, numbers."""

# product -> (category, plural?)
PRODUCTS = {
    "shirt": ("clothing", False), "jeans": ("clothing", True), "dress": ("clothing", False),
    "high heel": ("clothing", False), "hat": ("clothing", False), "tie": ("clothing", False),
    "boot": ("clothing", False), "umbrella": ("accessories", False), "glasses": ("accessories", True),
    "watch": ("accessories", False), "ring": ("accessories", False), "lipstick": ("accessories", False),
    "apple": ("fruit", False), "banana": ("fruit", False), "grapes": ("fruit", True), "lemon": ("fruit", False),
    "pear": ("fruit", False), "cherries": ("fruit", True), "strawberry": ("fruit", False),
    "pineapple": ("fruit", False), "bread": ("bakery", False), "croissant": ("bakery", False),
    "burger": ("bakery", False), "donut": ("bakery", False), "cookie": ("bakery", False), "cake": ("bakery", False),
    "pancakes": ("bakery", True), "pizza": ("bakery", False), "laptop": ("electronics", False),
    "printer": ("electronics", False), "battery": ("electronics", False), "football": ("sports", False),
    "baseball": ("sports", False), "volleyball": ("sports", False), "bowling ball": ("sports", False),
    "guitar": ("music", False), "violin": ("music", False), "trumpet": ("music", False), "piano": ("music", False),
    "bell": ("music", False), "hammer": ("household", False), "wrench": ("household", False),
    "scissors": ("household", True), "light bulb": ("household", False), "bed": ("household", False),
    "candle": ("household", False), "alarm clock": ("household", False),
}
NAMES = list(PRODUCTS)
CATEGORIES = sorted({category for category, _ in PRODUCTS.values()})
MASS = {"bread"}

SHAPES = ["circle", "square", "triangle", "star"]
# colour -> anchors in RGB; a drawn colour is one of them plus jitter
COLOURS = {
    "red": [(255, 0, 0), (220, 20, 40), (200, 30, 30), (230, 57, 70)],
    "green": [(0, 128, 0), (0, 255, 0), (40, 170, 70), (50, 200, 80), (34, 139, 34)],
    "blue": [(0, 0, 255), (30, 90, 220), (40, 60, 200), (66, 135, 245)],
    "yellow": [(255, 255, 0), (250, 220, 30), (255, 215, 0), (245, 230, 60)],
    "orange": [(255, 165, 0), (255, 140, 0), (245, 130, 30)],
    "purple": [(128, 0, 128), (140, 60, 190), (100, 40, 160), (153, 50, 204)],
    "black": [(0, 0, 0), (20, 20, 22)],
    "white": [(255, 255, 255), (248, 248, 248), (240, 240, 242)],
}
JITTER = {"orange": 6, "black": 8, "white": 6}
SHAPE_COLOURS = ["red", "green", "blue", "yellow", "orange", "purple", "black"]
BACKGROUNDS = [*SHAPE_COLOURS, "white"]
TAG_COLOURS = ["yellow", "white", "red", "green", "blue"]
PLACES = ["top left", "top right", "bottom left", "bottom right", "middle"]
DIRECTIONS = ["left", "right", "up", "down"]

ONES = ("zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen "
        "seventeen eighteen nineteen").split()
TENS = "_ _ twenty thirty forty fifty sixty seventy eighty ninety".split()


def number_words(n: int) -> list[str]:
    """The words of an integer from 0 to 99."""
    if n < 20:
        return [ONES[n]]
    return [TENS[n // 10]] + ([ONES[n % 10]] if n % 10 else [])


def is_plural(product: str) -> bool:
    return PRODUCTS[product][1]


def article(noun: str) -> str:
    return "an" if noun[0] in "aeiou" else "a"


def a(product: str) -> str:
    """The product with its article: "a bell", "an apple", "jeans"."""
    if is_plural(product) or product in MASS:
        return product
    return f"{article(product)} {product}"


def capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def place_phrase(place: str) -> str:
    """The place with its preposition: "at the top left", "in the middle"."""
    return f"{'in' if place == 'middle' else 'at'} the {place}"
