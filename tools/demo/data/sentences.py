"""What voices say: sentence forms with a product and a price, spoken words and written text."""
import random

from .splits import fits
from .words import MASS, NAMES, a, article, capital, is_plural, number_words

# {p}: product, {a}: product with article, {n}: price, {c}: colour, {ac}: with article; be: is/are, cost: costs/cost
FORMS = [
    "the {p} {cost} {n} dollars", "buy {this} {p} for {n} dollars", "{p}, only {n} dollars", "{a} for {n} dollars",
    "{this} {be} {a} for {n} dollars", "today the {p} {be} only {n} dollars", "we sell the {p} for {n} dollars",
    "the price of the {p} is {n} dollars",
]
COLOURED = ["get the {c} {p} now, just {n} dollars", "{ac} {p} for {n} dollars", "the {c} {p} {cost} {n} dollars"]
SPOKEN_COLOURS = ["red", "green", "blue", "yellow", "orange", "purple", "black", "white"]


class Sentence:
    """One sentence: the words as spoken (commas kept: they make pauses), the text as it is written down, what it says."""

    def __init__(self, spoken: str, text: str, product: str, price: int, colour: str):
        self.words = spoken.split()
        self.text, self.product, self.price, self.colour = text, product, price, colour


def draw(rng: random.Random, split: str, product: str | None = None, price: int | None = None) -> Sentence:
    """A sentence about a product and its price (held-out pairs in evaluation)."""
    for _ in range(1000):
        p, n = product or rng.choice(NAMES), price or rng.randint(1, 99)
        if (product and price) or fits(split, p, n):
            break
    form = rng.choice(FORMS + COLOURED)
    colour, plural = rng.choice(SPOKEN_COLOURS), is_plural(p)
    bare = plural or p in MASS
    values = {"p": p, "a": a(p), "c": colour, "ac": colour if bare else f"{article(colour)} {colour}",
              "be": "are" if plural else "is", "cost": "cost" if plural else "costs", "this": "these" if plural else "this"}
    written, spoken_price = form.replace("{n} dollars", "${n}").format(n=n, **values), " ".join(number_words(n))
    if n == 1:
        form = form.replace("dollars", "dollar")
    return Sentence(form.format(n=spoken_price, **values), capital(written) + ".", p, n, colour if "c}" in form else "")


def vocabulary() -> list[str]:
    """Every word that may be spoken."""
    words = {w for f in [*FORMS, *COLOURED] for w in f.replace(",", "").split() if "{" not in w}
    words |= {w for p in NAMES for w in p.split()} | set(SPOKEN_COLOURS)
    words |= {"is", "are", "cost", "costs", "a", "an", "dollar", "this", "these"}
    words |= {w for n in range(100) for w in number_words(n)}
    return sorted(words)
