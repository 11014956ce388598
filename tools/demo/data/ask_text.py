"""Text alone: greetings, what the model can do, categories, comparing two prices; and follow-ups to earlier turns."""
import random

from .ask_media import close_price, verdict
from .items import Item, pick
from .words import NAMES, PRODUCTS, a

GREETING = "Hello! Show me a picture, a video or a sound."
CAPABLE = "I can name shapes, products and prices in pictures, follow videos and write down speech."
SMALL_TALK = {
    GREETING: ["Hello", "Hello!", "Hi", "Hi!", "Hi there", "Hi there!", "Hey", "Good morning", "Good morning!",
               "Good evening", "Good afternoon", "Hello there", "Hello, how can I start?"],
    "You are welcome.": ["Thank you", "Thank you!", "Thanks", "Thanks!", "Thank you very much.", "Many thanks."],
    "Goodbye!": ["Bye", "Bye!", "Goodbye", "Goodbye!", "See you later."],
    "I am fine, thank you.": ["How are you?", "How are you today?", "How do you do?"],
    "I am a small Valley3 demo model.": ["Who are you?", "What are you?", "What is your name?", "Which model are you?"],
}
CAN = ["What can you do?", "How can you help me?", "Help", "Help!", "What are you able to do?", "What can I ask you?",
       "Tell me what you can do.", "What do you know?", "What are your capabilities?"]
CATEGORY = ["Which category is {a}?", "What category does {a} belong to?", "Name the category of {a}.",
            "What is the category of {a}?", "Which category does {a} belong to?"]
COMPARE = ["The tag shows ${t} and the voice says ${v}. Do they agree?", "Compare: tag ${t}, voice ${v}.",
           "Tag ${t}, voice ${v}: do they agree?", "Does a voice saying ${v} match a tag of ${t}?"]


def items(rng: random.Random) -> list[Item]:
    """One question of each kind."""
    answer = rng.choice([GREETING, GREETING, *SMALL_TALK])
    product = rng.choice(NAMES)
    tag = rng.randint(1, 99)
    voice = tag if rng.random() < 0.5 else close_price(rng, tag)
    agree = verdict(tag, voice)
    return [
        Item("text_greeting", rng.choice(SMALL_TALK[answer]), answer, "greeting", "I answer politely."),
        Item("text_capabilities", rng.choice(CAN), CAPABLE, "model", "I say what I can do."),
        Item("text_category", pick(rng, CATEGORY, a=a(product)), f"The category is {PRODUCTS[product][0]}.", "category",
             f"I know {a(product)}."),
        Item("text_compare", pick(rng, COMPARE, t=tag, v=voice), agree, "price",
             f"The tag shows ${tag}. The voice says ${voice}."),
    ]


def follow_up(rng: random.Random, first: Item, second: Item) -> list[tuple[str, str]]:
    """Two turns about one picture: (question, answer) each; the second sometimes shortened to "And …?"."""
    question = second.question
    short = {"product_price": ["And the price?", "And what does it cost?", "And how much is it?"],
             "product_background": ["And the background?", "And the background colour?", "And what colour is the background?"],
             "product_category": ["And the category?", "And its category?", "And which category is it?"],
             "product_tag_colour": ["And the tag?", "And the colour of the tag?", "And what colour is the tag?"],
             "product_name": ["And what is it?", "And the product?", "And what product is it?"],
             "shapes_count": ["And how many shapes are there?", "And how many in all?"],
             "shapes_background": ["And the background?", "And the background colour?"]}.get(second.task)
    if first.task == second.task == "shapes_colour":
        short = [f"And the {second.answer.split()[1]}?", f"And what colour is the {second.answer.split()[1]}?"]
    if first.task == second.task == "shapes_where":
        short = [f"And the {second.answer.split()[1]}?", f"And where is the {second.answer.split()[1]}?"]
    if short and rng.random() < 0.6:
        question = pick(rng, short)
    return [(first.question, first.answer), (question, second.answer)]
