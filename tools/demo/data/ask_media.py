"""Questions about speech, silent videos, and a product shown while a voice speaks."""
import json
import random

from .ask_pictures import JSON, NAME, TAG, this_is
from .items import Item, join, pick
from .pictures import Picture
from .sentences import Sentence
from .videos import Clip
from .words import capital, is_plural

SAID = ["What is said?", "Transcribe the audio.", "Write down what you hear.", "What does the voice say?",
        "Please transcribe the speech.", "Fully transcribe the content of the audio.", "What do you hear?"]
SPOKEN_PRODUCT = ["Which product is it about?", "What product is mentioned?", "Which product do you hear?",
                  "Which product does the voice name?", "What product does the voice talk about?"]
SPOKEN_PRICE = ["Which price is mentioned?", "What price do you hear?", "What price does the voice say?",
                "Which price is spoken?", "Which price does the voice name?"]
COST = ["How much does it cost?", "What does it cost?", "What is the price?", "How much is it?", "Tell me the price."]
FIRST = ["What comes first?", "Which product comes first?", "What is shown first?", "What is the first product?",
         "Which product is shown first?"]
LAST = ["What comes last?", "Which product comes last?", "What is shown last?", "What is the last product?",
        "Which product is shown last?"]
ORDER = ["In which order do the products appear?", "What is the order of the products?", "List the products in order.",
         "In what order are the products shown?", "Which products are shown, in order?"]
VIDEO = ["Describe the video.", "What happens in the video?", "Describe the video in brief.", "What does the video show?"]
WAY = ["Which way does {t} move?", "In which direction does {t} move?", "Where does {t} move?", "Which way is {t} going?",
       "What is the direction of {t}?"]
MOVER = ["What moves?", "What is moving?", "Which object moves?", "What moves in the video?"]
VERDICT = ["Does the spoken price match the price tag?", "Do the tag and the voice agree?",
           "Is the spoken price the same as on the tag?", "Do the price tag and the voice agree on the price?",
           "Does the voice say the price on the tag?", "Check the price: do tag and voice agree?"]


def verdict(tag: int, voice: int) -> str:
    """Both readings, then whether they agree."""
    return (f"The tag shows ${tag} and the voice says ${voice}: "
            + ("yes, they agree." if tag == voice else "no, they differ."))


def speech(rng: random.Random, s: Sentence) -> list[Item]:
    """Questions about a sound with one sentence."""
    items = []

    def add(task: str, forms: list[str], answer: str, topic: str, **values: object) -> None:
        items.append(Item(task, pick(rng, forms, **values), answer, topic, f"I hear: {s.text}"))

    add("speech_transcript", SAID, s.text, "speech")
    add("speech_product", SPOKEN_PRODUCT, f"The voice names the {s.product}." if s.product else "No product is mentioned.",
        "product")
    add("speech_price", SPOKEN_PRICE, f"The voice says ${s.price}." if s.price else "No price is mentioned.", "price")
    if s.price:
        add("speech_cost", COST, f"It costs ${s.price}.", "price")
        keys = rng.sample(["product", "price"], 2)
        add("speech_json", JSON, json.dumps({k: getattr(s, k) for k in keys}), "speech", k=", ".join(keys), l=join(keys))
    return items


def come(product: str, when: str) -> str:
    return f"The {product} {'come' if is_plural(product) else 'comes'} {when}."


def order_text(order: list[str]) -> str:
    """"First the bell, then the tie." """
    return "First the " + ", then the ".join(order) + "."


def sequence(rng: random.Random, clip: Clip) -> list[Item]:
    """Questions about products shown one after another."""
    text = order_text(clip.order)
    evidence = f"I see {join(['the ' + p for p in clip.order])}."
    return [Item("video_first", pick(rng, FIRST), come(clip.order[0], "first"), "first product", evidence),
            Item("video_last", pick(rng, LAST), come(clip.order[-1], "last"), "last product", evidence),
            Item("video_order", pick(rng, ORDER), text, "order", evidence),
            Item("video_describe", pick(rng, VIDEO), text, "video", evidence)]


def moving(rng: random.Random, clip: Clip) -> list[Item]:
    """Questions about something that moves."""
    name = f"{clip.colour} {clip.thing}".strip()
    way = clip.direction if clip.direction in ("up", "down") else f"to the {clip.direction}"
    plural = not clip.colour and is_plural(clip.thing)
    whole = f"The {name} {'move' if plural else 'moves'} {way}."
    subject = rng.choice(["it", "it", f"the {clip.thing}", f"the {name}"])
    forms = [f.replace("does {t}", "do {t}").replace("is {t}", "are {t}") for f in WAY] if plural and subject != "it" else WAY
    return [Item("video_direction", pick(rng, forms, t=subject), f"It moves {way}.", "direction", whole),
            Item("video_moving", pick(rng, MOVER), f"The {name} {'move' if plural else 'moves'}.", "object", whole),
            Item("video_describe", pick(rng, VIDEO), whole, "video", whole)]


def voice_over(rng: random.Random, p: Picture, s: Sentence) -> list[Item]:
    """Questions about a product with a tag while a voice names a product and a price."""
    evidence = f"The tag shows ${p.tag.price}. The voice says ${s.price}."
    task = "vv_verdict_equal" if p.tag.price == s.price else "vv_verdict_unequal"
    return [Item("vv_tag", pick(rng, TAG), f"The tag shows ${p.tag.price}.", "tag", evidence),
            Item("vv_voice", pick(rng, SPOKEN_PRICE), f"The voice says ${s.price}.", "price", evidence),
            Item(task, pick(rng, VERDICT), verdict(p.tag.price, s.price), "price", evidence),
            Item("vv_transcript", pick(rng, SAID), s.text, "speech", f"I hear: {s.text}"),
            Item("vv_product_shown", pick(rng, NAME), this_is(p.product), "product", f"I see the {p.product}."),
            Item("vv_product_spoken", pick(rng, SPOKEN_PRODUCT), f"The voice names the {s.product}.", "product",
                 f"I hear: {s.text}")]


def close_price(rng: random.Random, price: int) -> int:
    """Another price: one digit off, reversed, or any."""
    while True:
        kind = rng.random()
        digits = f"{price:02d}"
        if kind < 0.35:
            other = int(digits[0] + rng.choice("0123456789"))
        elif kind < 0.65:
            other = int(rng.choice("0123456789") + digits[1])
        elif kind < 0.75:
            other = int(digits[::-1])
        else:
            other = rng.randint(1, 99)
        if other != price and 1 <= other <= 99:
            return other
