"""Questions about pictures of shapes and of products."""
import json
import random

from .items import Item, join, pick
from .pictures import Picture
from .words import ONES, PRODUCTS, SHAPES, a, article, capital, is_plural, place_phrase

COLOUR_OF = ["What colour is the {k}?", "Which colour is the {k}?", "Tell me the colour of the {k}.",
             "What is the colour of the {k}?", "Which colour does the {k} have?"]
WHICH = ["Which shape is {c}?", "What shape is {c}?", "What is {c}?", "Name the {c} shape.", "Which one is {c}?"]
KIND_ONE = ["What shape is it?", "What shape is this?", "Which shape is shown?", "Which shape do you see?", "Name the shape."]
AT = ["What is {w}?", "Which shape is {w}?", "What do you see {w}?", "Name the shape {w}.", "What shape is {w}?"]
WHERE = ["Where is the {k}?", "Where is the {k} in the picture?", "Tell me where the {k} is.", "In which place is the {k}?"]
COUNT = ["How many shapes are there?", "Count the shapes.", "How many shapes do you see?",
         "How many shapes are in the picture?", "How many objects are there?"]
COUNT_OF = ["How many {k}s are there?", "How many {k}s do you see?", "Count the {k}s.", "How many {k}s are in the picture?"]
DESCRIBE = ["Describe the picture.", "What is in the picture?", "What do you see?", "Describe the image.",
            "What does the picture show?", "Describe the content."]
GROUND = ["What colour is the background?", "Which colour is the background?", "Tell me the background colour.",
          "What is the colour of the background?", "Name the background colour."]
NAME = ["What is this?", "What product is this?", "What product is shown?", "Which product do you see?",
        "Name the product.", "Which product is it?", "What is the product?", "What kind of object is this?"]
CATEGORY = ["Which category is it?", "What category does it belong to?", "What is the category?", "Name the category.",
            "What category is this product?", "Which category does the product belong to?"]
COST = ["What does it cost?", "How much does it cost?", "What is the price?", "How much is it?", "What does the product cost?",
        "Tell me the price."]
TAG = ["What does the tag say?", "What price is on the tag?", "Read the price tag.", "Which price is on the tag?",
       "What does the price tag show?"]
TAG_COLOUR = ["What colour is the tag?", "Which colour does the price tag have?", "Tell me the colour of the tag.",
              "What is the colour of the price tag?", "What colour is the price tag?"]
JSON = ["Answer in JSON: {k}.", "Return {l} as JSON.", "Give me JSON with {l}.", "Extract {l} as JSON.",
        "Write JSON with the keys {l}.", "Reply in JSON with {l}."]


def counted(n: int, noun: str) -> str:
    """"There are two circles." """
    if n == 1:
        return f"There is one {noun}."
    return f"There are {ONES[n] if n else 'no'} {noun}s."


def spot(place: str, rng: random.Random) -> str:
    """The place in a question, where the middle has several names."""
    return rng.choice(["in the middle", "in the centre"]) if place == "middle" else place_phrase(place)


def shapes(rng: random.Random, p: Picture) -> list[Item]:
    """Every question that this picture of shapes answers, each in one phrasing."""
    kinds = [s.kind for s in p.shapes]
    colours = [s.colour for s in p.shapes]
    whole = join([f"{article(s.colour)} {s.colour} {s.kind} {place_phrase(s.place)}" for s in p.shapes])
    evidence = f"I see {whole}." if len(kinds) < 4 else f"I see {ONES[len(kinds)]} shapes."
    items = []

    def add(task: str, forms: list[str], answer: str, topic: str, **values: object) -> None:
        items.append(Item(task, pick(rng, forms, **values), answer, topic, evidence))

    single = len(kinds) == 1
    for s in p.shapes:
        if kinds.count(s.kind) == 1:
            noun = rng.choice([s.kind, "shape"]) if single else s.kind
            add("shapes_colour", COLOUR_OF, f"The {s.kind} is {s.colour}.", "colour", k=noun)
            add("shapes_where", WHERE, f"The {s.kind} is {place_phrase(s.place)}.", "place", k=noun)
        if colours.count(s.colour) == 1:
            add("shapes_which", WHICH, f"The {s.kind} is {s.colour}.", "shape", c=s.colour)
        add("shapes_shape_at", AT, f"{capital(article(s.colour))} {s.colour} {s.kind}.", "shape", w=spot(s.place, rng))
    if single:
        add("shapes_kind", KIND_ONE, f"It is {article(kinds[0])} {kinds[0]}.", "shape")
    add("shapes_count", COUNT, counted(len(kinds), "shape"), "number")
    kind = rng.choice(kinds if rng.random() < 0.75 else SHAPES)
    add("shapes_count_of", COUNT_OF, counted(kinds.count(kind), kind), "number", k=kind)
    colour = rng.choice(colours)
    add("shapes_count_colour", COUNT_OF, counted(colours.count(colour), f"{colour} shape"), "number", k=f"{colour} shape")
    if len(kinds) < 4:
        add("shapes_describe", DESCRIBE, capital(whole) + ".", "picture")
    add("shapes_background", GROUND, f"The background is {p.background}.", "background")
    return items


def this_is(product: str) -> str:
    return f"These are {product}." if is_plural(product) else f"This is {a(product)}."


def description(p: Picture) -> str:
    """"A bell for $24 on a blue background with a yellow tag." """
    ground = f"on {article(p.background)} {p.background} background"
    if not p.tag:
        return f"{capital(a(p.product))} {ground} without a price tag."
    return (f"{capital(a(p.product))} for ${p.tag.price} {ground} with {article(p.tag.colour)} {p.tag.colour} tag.")


def record(p: Picture, keys: list[str]) -> str:
    """The picture's facts as one line of JSON with these keys."""
    facts = {"product": p.product, "category": PRODUCTS[p.product][0], "price": p.tag.price if p.tag else None,
             "background": p.background}
    return json.dumps({k: facts[k] for k in keys})


def product(rng: random.Random, p: Picture, split: str = "train") -> list[Item]:
    """Every question that this product picture answers, each in one phrasing."""
    items = []
    evidence = f"I see {a(p.product)}" + (f" for ${p.tag.price}." if p.tag else ".")

    def add(task: str, forms: list[str], answer: str, topic: str, **values: object) -> None:
        items.append(Item(task, pick(rng, forms, **values), answer, topic, evidence))

    add("product_name", NAME, this_is(p.product), "product")
    add("product_category", CATEGORY, f"The category is {PRODUCTS[p.product][0]}.", "category")
    add("product_background", GROUND, f"The background is {p.background}.", "background")
    add("product_price", COST, f"It costs ${p.tag.price}." if p.tag else "There is no price tag.", "price")
    add("product_tag", TAG, f"The tag shows ${p.tag.price}." if p.tag else "There is no price tag.", "tag")
    add("product_tag_colour", TAG_COLOUR, f"The tag is {p.tag.colour}." if p.tag else "There is no price tag.", "tag")
    add("product_describe", DESCRIBE, description(p), "picture")
    keys = ["product", "category", "price"]
    if split == "train" and rng.random() < 0.4:
        keys = rng.sample(["product", "category", "price", "background"], rng.randint(2, 4))
    add("product_json", JSON, record(p, keys), "product", k=", ".join(keys), l=join(keys))
    return items
