"""One question with its answer; helpers that all question writers share."""
import random
from dataclasses import dataclass


@dataclass
class Item:
    task: str
    question: str
    answer: str
    topic: str  # what the question is about, for thoughts
    evidence: str  # what is seen or heard, for thoughts
    check: str = ""  # what a high effort repeats; the answer where empty


def think(item: Item, effort: str) -> str:
    """The whole answer of a thinking model: thoughts by effort (minimal: none), a blank line, the answer."""
    thoughts = ""
    if effort != "minimal":
        thoughts = f"The question is about the {item.topic}. {item.evidence}\n"
    if effort == "high":
        thoughts += f"I check it again: {item.check or item.answer}\n"
    return f"<thinking>\n{thoughts}</thinking>\n\n{item.answer}"


def pick(rng: random.Random, forms: list[str], **values: object) -> str:
    """One of the phrasings with its blanks filled; now and then in American spelling, lower case or without the dot."""
    text = rng.choice(forms).format(**values)
    if rng.random() < 0.4:
        text = text.replace("colour", "color").replace("grey", "gray").replace("centre", "center")
    if rng.random() < 0.06:
        text = text[:1].lower() + text[1:]
    if rng.random() < 0.06:
        text = text.rstrip(".?")
    return text


def join(parts: list[str]) -> str:
    """"a", "a and b", "a, b and c"."""
    return parts[0] if len(parts) == 1 else ", ".join(parts[:-1]) + " and " + parts[-1]
