"""Questions about speech, silent videos, and a product shown while a voice speaks."""
import random

from .ask_pictures import COST, NAME, TAG, costs, this_is
from .items import Item, join, pick
from .pictures import Picture
from .sentences import Sentence
from .videos import Clip
from .words import a, is_plural

SAID = ["What is said?", "Transcribe the speech.", "Write what you hear.", "Transcribe the audio."]
SPOKEN_PRODUCT = ["Which product is it about?", "What product is mentioned?", "Which product do you hear?"]
SPOKEN_PRICE = ["Which price is mentioned?", "What price do you hear?", "Which price is spoken?", "What price does the voice say?"]
SPOKEN_COLOUR = ["Which colour is mentioned?", "What colour is mentioned?"]
FIRST = ["What comes first?", "Which product comes first?", "Which product is shown first?"]
LAST = ["What comes last?", "Which product comes last?", "Which product is shown last?"]
ORDER = ["In which order do the products appear?", "List the products in order.", "What is the order of the products?",
         "Describe the video."]
WAY = ["Which way does it move?", "In which direction does it move?", "Where does it move?", "Which direction is it moving?"]
MOVER = ["What moves?", "What is moving?", "What is this?"]
VERDICT = ["Does the spoken price match the price tag?", "Do the tag and the voice agree?",
           "Is the spoken price the same as on the tag?"]


def verdict(tag: int, voice: int) -> str:
    """Both readings, then whether they agree."""
    return (f"The tag shows ${tag} and the voice says ${voice}: "
            + ("yes, they match." if tag == voice else "no, they differ."))


def speech(rng: random.Random, s: Sentence) -> list[Item]:
    """Questions about a sound with one sentence."""
    items = []

    def add(task: str, forms: list[str], answer: str, topic: str) -> None:
        items.append(Item(task, pick(rng, forms), answer, topic, f"I hear: {s.text}"))

    add("speech_transcript", SAID, s.text, "speech")
    add("speech_product", SPOKEN_PRODUCT, f"It is about {a(s.product)}.", "product")
    add("speech_price", SPOKEN_PRICE, f"The voice says ${s.price}.", "price")
    add("speech_cost", COST, costs(s.product, s.price), "price")
    if s.colour:
        add("speech_colour", SPOKEN_COLOUR, f"The colour is {s.colour}.", "colour")
    return items


def order_text(order: list[str]) -> str:
    """"First a bell, then a tie." """
    return "First " + ", then ".join(map(a, order)) + "."


def sequence(rng: random.Random, clip: Clip) -> list[Item]:
    """Questions about products shown one after another."""
    evidence = f"I see {join([a(p) for p in clip.order])}."
    return [Item("video_first", pick(rng, FIRST), f"First {come(clip.order[0])}.", "first product", evidence),
            Item("video_last", pick(rng, LAST), f"Last {come(clip.order[-1])}.", "last product", evidence),
            Item("video_order", pick(rng, ORDER), order_text(clip.order), "order", evidence)]


def come(product: str) -> str:
    return f"{'come' if is_plural(product) else 'comes'} {a(product)}"


def moving(rng: random.Random, clip: Clip) -> list[Item]:
    """Questions about something that moves."""
    name = f"a {clip.colour} {clip.thing}".replace("a o", "an o") if clip.colour else a(clip.thing)
    evidence = f"I see {name}."
    return [Item("video_direction", pick(rng, WAY), f"It moves {clip.direction}.", "direction", evidence),
            Item("video_moving", pick(rng, MOVER), f"This is {name}." if clip.colour else this_is(clip.thing), "object", evidence)]


def voice_over(rng: random.Random, p: Picture, s: Sentence) -> list[Item]:
    """Questions about a product with a tag while a voice names a product and a price."""
    evidence = f"The tag shows ${p.tag.price}. The voice says ${s.price}."
    task = "vv_verdict_equal" if p.tag.price == s.price else "vv_verdict_unequal"
    return [Item("vv_tag", pick(rng, TAG), f"The tag shows ${p.tag.price}.", "tag", evidence),
            Item("vv_voice", pick(rng, SPOKEN_PRICE), f"The voice says ${s.price}.", "price", evidence),
            Item(task, pick(rng, VERDICT), verdict(p.tag.price, s.price), "price", evidence),
            Item("vv_transcript", pick(rng, SAID), s.text, "speech", f"I hear: {s.text}"),
            Item("vv_product_shown", pick(rng, NAME), this_is(p.product), "product", f"I see {a(p.product)}."),
            Item("vv_product_spoken", pick(rng, SPOKEN_PRODUCT), f"It is about {a(s.product)}.", "product", f"I hear: {s.text}")]


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
