"""Questions about pictures of shapes and of products."""
import json
import random

from .items import Item, join, pick
from .pictures import Picture
from .words import ONES, PRODUCTS, SHAPES, a, article, capital, is_plural, place_phrase

COLOUR_OF = ["What colour is the {k}?", "Which colour is the {k}?", "Tell me the colour of the {k}.",
             "What is the colour of the {k}?"]
WHICH = ["Which shape is {c}?", "What shape is {c}?", "What is {c}?"]
AT = ["What is {w}?", "Which shape is {w}?", "What shape is {w}?"]
WHERE = ["Where is the {k}?", "Where is the {k} in the picture?", "Tell me where the {k} is."]
COUNT = ["How many shapes are there?", "Count the shapes.", "How many shapes do you see?"]
COUNT_OF = ["How many {k}s are there?", "How many {k}s do you see?", "Count the {k}s."]
DESCRIBE = ["Describe the picture.", "What is in the picture?", "What do you see?", "Describe the image."]
GROUND = ["What colour is the background?", "Which colour is the background?", "Tell me the background colour."]
NAME = ["What is this?", "What product is this?", "What product is shown?", "Which product do you see?", "Name the product."]
CATEGORY = ["Which category is it?", "What category does it belong to?", "What is the category?", "Name the category."]
COST = ["What does it cost?", "How much does it cost?", "What is the price?", "How much is it?"]
TAG = ["What does the tag say?", "What price is on the tag?", "Read the price tag.", "Which price is on the tag?"]
TAG_COLOUR = ["What colour is the tag?", "Which colour is the tag?", "What colour is the price tag?"]
JSON = ["Answer in JSON: product, category, price.", "Give product, category and price as JSON.",
        "Return product, category and price as JSON."]


def counted(n: int, noun: str) -> str:
    """"There are two circles." """
    return f"There is one {noun}." if n == 1 else f"There are {ONES[n]} {noun}s."


def spot(place: str, rng: random.Random) -> str:
    """The place in a question, where the middle has two names."""
    return rng.choice(["in the middle", "in the centre"]) if place == "middle" else place_phrase(place)


def shapes(rng: random.Random, p: Picture) -> list[Item]:
    """Every question that this picture of shapes answers, each in one phrasing."""
    kinds = [s.kind for s in p.shapes]
    colours = [s.colour for s in p.shapes]
    whole = join([f"{article(s.colour)} {s.colour} {s.kind} {place_phrase(s.place)}" for s in p.shapes])
    evidence = f"I see {join([f'{article(s.colour)} {s.colour} {s.kind}' for s in p.shapes])}."
    items = []

    def add(task: str, forms: list[str], answer: str, topic: str, **values: object) -> None:
        items.append(Item(task, pick(rng, forms, **values), answer, topic, evidence))

    for s in p.shapes:
        if kinds.count(s.kind) == 1:
            add("shapes_colour", COLOUR_OF, f"The {s.kind} is {s.colour}.", "colour", k=s.kind)
            add("shapes_where", WHERE, f"The {s.kind} is {place_phrase(s.place)}.", "place", k=s.kind)
        if colours.count(s.colour) == 1:
            add("shapes_which", WHICH, f"The {s.colour} shape is {article(s.kind)} {s.kind}.", "shape", c=s.colour)
        add("shapes_shape_at", AT, f"{capital(article(s.colour))} {s.colour} {s.kind}.", "shape", w=spot(s.place, rng))
    add("shapes_count", COUNT, counted(len(kinds), "shape"), "number")
    kind = rng.choice(kinds if rng.random() < 0.7 else SHAPES)
    add("shapes_count_of", COUNT_OF, counted(kinds.count(kind), kind), "number", k=kind)
    add("shapes_describe", DESCRIBE, capital(whole) + ".", "picture")
    add("shapes_background", GROUND, f"The background is {p.background}.", "background")
    return items


def this_is(product: str) -> str:
    return f"{'These are' if is_plural(product) else 'This is'} {a(product)}."


def belongs(product: str) -> str:
    """"It belongs to music." """
    return f"{'They belong' if is_plural(product) else 'It belongs'} to {PRODUCTS[product][0]}."


def costs(product: str, price: int) -> str:
    return f"{'They cost' if is_plural(product) else 'It costs'} ${price}."


def description(p: Picture) -> str:
    """"A bell for $24 on a blue background with a yellow tag." """
    ground = f"on {article(p.background)} {p.background} background"
    if not p.tag:
        return f"{capital(a(p.product))} {ground}."
    return f"{capital(a(p.product))} for ${p.tag.price} {ground} with {article(p.tag.colour)} {p.tag.colour} tag."


def record(p: Picture) -> str:
    """The picture's facts as one line of JSON."""
    return json.dumps({"product": p.product, "category": PRODUCTS[p.product][0], "price": p.tag.price if p.tag else None})


def product(rng: random.Random, p: Picture) -> list[Item]:
    """Every question that this product picture answers, each in one phrasing."""
    items = []
    evidence = f"I see {a(p.product)}" + (f" for ${p.tag.price}." if p.tag else ".")

    def add(task: str, forms: list[str], answer: str, topic: str) -> None:
        items.append(Item(task, pick(rng, forms), answer, topic, evidence))

    none = "There is no price tag."
    add("product_name", NAME, this_is(p.product), "product")
    add("product_category", CATEGORY, belongs(p.product), "category")
    add("product_background", GROUND, f"The background is {p.background}.", "background")
    add("product_price", COST, costs(p.product, p.tag.price) if p.tag else none, "price")
    add("product_tag", TAG, f"The tag shows ${p.tag.price}." if p.tag else none, "tag")
    add("product_tag_colour", TAG_COLOUR, f"The tag is {p.tag.colour}." if p.tag else none, "tag")
    add("product_describe", DESCRIBE, description(p), "picture")
    add("product_json", JSON, record(p), "product")
    return items
