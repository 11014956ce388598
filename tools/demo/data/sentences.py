"""What voices say: sentence forms with a product and a price, spoken words and written text."""
import random

from .splits import fits
from .words import NAMES, a, capital, is_plural, number_words

# {p}: product, {a}: product with article, {n}: price, {c}: optional colour; be: is/are, cost: costs/cost
FORMS = [
    "the {p} {cost} {n} dollars", "this is {a} for {n} dollars", "get the {p} now for just {n} dollars",
    "buy the {p} for {n} dollars", "{a} for only {n} dollars", "today the {p} {be} only {n} dollars",
    "the price of the {p} is {n} dollars", "we sell the {p} for {n} dollars", "our {p} {cost} {n} dollars today",
    "hello, the {p} {be} {n} dollars", "you can have the {p} for {n} dollars", "look, {a} for {n} dollars",
    "only {n} dollars for the {p}", "do you want the {p} for {n} dollars",
]
COLOURED = ["get the {c} {p} now, just {n} dollars", "the {c} {p} {cost} {n} dollars", "the {c} {p} {be} {n} dollars today"]
SPOKEN_COLOURS = ["red", "green", "blue", "yellow", "black", "white", "pink", "purple", "brown", "orange"]
PLAIN = ["hello", "thank you", "good morning", "good evening", "welcome to our shop", "thank you for watching",
         "have a nice day", "see you tomorrow", "the shop is open today", "the shop is closed today"]


class Sentence:
    """One sentence: the words as spoken (commas kept: they make pauses), the text as it is written down, what it says."""

    def __init__(self, spoken: str, text: str, product: str | None = None, price: int | None = None):
        self.words = spoken.split()
        self.text, self.product, self.price = text, product, price


def draw(rng: random.Random, split: str, product: str | None = None, price: int | None = None,
         plain: float = 0.04) -> Sentence:
    """A sentence about a product and its price (held-out pairs in evaluation), rarely one without."""
    if product is None and price is None and rng.random() < plain:
        text = rng.choice(PLAIN)
        return Sentence(text, capital(text) + ".")
    for _ in range(1000):
        p, n = product or rng.choice(NAMES), price or rng.randint(1, 99)
        if (product and price) or fits(split, p, n):
            break
    form = rng.choice(FORMS * 3 + COLOURED * 2)
    values = {"p": p, "a": a(p), "c": rng.choice(SPOKEN_COLOURS), "be": "are" if is_plural(p) else "is",
              "cost": "cost" if is_plural(p) else "costs"}
    if n == 1:
        form = form.replace("dollars", "dollar")
    end = "?" if form.startswith("do you") else "."
    spoken = form.format(n=" ".join(number_words(n)), **values)
    return Sentence(spoken, capital(form.format(n=n, **values)) + end, p, n)


def vocabulary() -> list[str]:
    """Every word that may be spoken."""
    words = {w for f in [*FORMS, *COLOURED, *PLAIN] for w in f.replace(",", "").split() if "{" not in w}
    words |= {w for p in NAMES for w in p.split()} | set(SPOKEN_COLOURS) | {"is", "are", "cost", "costs", "a", "an", "dollar"}
    words |= {w for n in range(100) for w in number_words(n)}
    return sorted(words)
