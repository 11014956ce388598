"""Text alone: greetings, what the model can do, categories, comparing two prices; and follow-ups to earlier turns."""
import random

from .ask_media import close_price, verdict
from .items import Item, pick
from .words import NAMES, PRODUCTS, a, capital, is_plural

GREETING = "Hello! Show me a picture, a video or a sound."
WHO = "I am a tiny Valley demo model for product pictures, sound and video."
CAPABLE = "I can name shapes, products and prices in pictures, follow videos and write down speech."
SMALL_TALK = {
    GREETING: ["Hello", "Hello!", "Hi", "Hi!", "Hi there!", "Hey", "Good morning", "Good morning!"],
    WHO: ["Who are you?", "What are you?", "What is your name?", "Which model are you?"],
    "You are welcome.": ["Thank you", "Thank you!", "Thanks", "Thanks!"],
    "Goodbye!": ["Bye", "Bye!", "Goodbye!"],
}
CAN = ["What can you do?", "How can you help me?", "Help", "What can I ask you?", "Tell me what you can do."]
CATEGORY = ["Which category {be} {a}?", "What category {do} {a} belong to?"]
COMPARE = ["Compare: tag ${t}, voice ${v}.", "The tag shows ${t} and the voice says ${v}. Do they match?",
           "Tag ${t}, voice ${v}: do they agree?"]


def items(rng: random.Random) -> list[Item]:
    """One question of each kind."""
    answer = rng.choice([GREETING, GREETING, *SMALL_TALK])
    product = rng.choice(NAMES)
    tag = rng.randint(1, 99)
    voice = tag if rng.random() < 0.5 else close_price(rng, tag)
    many = is_plural(product)
    return [
        Item("text_greeting", rng.choice(SMALL_TALK[answer]), answer, "greeting", "I answer politely."),
        Item("text_capabilities", rng.choice(CAN), CAPABLE, "model", "I say what I can do."),
        Item("text_category", pick(rng, CATEGORY, a=a(product), be="are" if many else "is", do="do" if many else "does"),
             f"{capital(a(product))} {'belong' if many else 'belongs'} to {PRODUCTS[product][0]}.", "category",
             f"I know {a(product)}."),
        Item("text_compare", pick(rng, COMPARE, t=tag, v=voice), verdict(tag, voice), "price",
             f"The tag shows ${tag}. The voice says ${voice}."),
    ]


def follow_up(rng: random.Random, first: Item, second: Item) -> list[tuple[str, str]]:
    """Two turns about one picture: (question, answer) each; the second sometimes shortened to "And …?"."""
    question = second.question
    short = {"product_price": ["And the price?", "And what does it cost?"],
             "product_background": ["And the background?"], "shapes_background": ["And the background?"],
             "product_category": ["And the category?"], "product_tag_colour": ["And the colour of the tag?"],
             "product_name": ["And what is it?"]}.get(second.task)
    if first.task == second.task == "shapes_colour":
        short = [f"And the {second.answer.split()[1]}?", f"And what colour is the {second.answer.split()[1]}?"]
    if first.task == second.task == "shapes_where":
        short = [f"And the {second.answer.split()[1]}?", f"And where is the {second.answer.split()[1]}?"]
    if short and rng.random() < 0.6:
        question = pick(rng, short)
    return [(first.question, first.answer), (question, second.answer)]
