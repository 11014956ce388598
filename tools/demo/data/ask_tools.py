"""Conversations with tools: varied names, descriptions and parameters; calls, and answers from results."""
import json
import random
from collections.abc import Callable
from dataclasses import dataclass

from .words import NAMES, a, is_plural

CITIES = ["Paris", "London", "Berlin", "Rome", "Madrid", "Tokyo", "Boston", "Vienna", "Sydney", "Beijing", "Singapore", "New York"]
SEARCH_NAMES = ["search_products", "product_search", "text_search"]
SEARCH_TEXT = ["Search for products.", "Search the web for text.", ""]
QUERY = ["query", "query", "q"]
BOUND = ["max_price"]
FIND = ["Find {a}.", "Search for {a}.", "Look for {a}.", "I want to buy {a}."]
FIND_BOUND = ["max_price"]
PICTURE_FIND = ["Find this product.", "Search for this product.", "Where can I buy this?"]
PRICE_OF = ["What {do} {a} cost?", "Price of {a}?", "How much {be} {a}?", "What is the price of {a}?"]
WEATHER = ["What is the weather in {v}?", "How is the weather in {v}?", "Weather in {v}?"]


@dataclass
class Request:
    """One request that a tool answers."""
    question: str
    name: str
    arguments: dict
    result: object = None
    answer: str = ""  # after the result


@dataclass
class Tool:
    """A caller's tool, and how to draw requests for it."""
    schema: dict
    ask: Callable[[random.Random], Request]
    kind: str

    @property
    def name(self) -> str:
        return self.schema["function"]["name"]


def schema(name: str, description: str, properties: dict[str, str], required: list[str]) -> dict:
    """A tool in OpenAI's form; properties maps a parameter to its JSON type."""
    function = {"name": name}
    if description:
        function["description"] = description
    function["parameters"] = {"type": "object", "properties": {k: {"type": t} for k, t in properties.items()},
                              "required": required}
    return {"type": "function", "function": function}


def search(rng: random.Random, shown: str = "") -> Tool:
    """A search tool, perhaps with a bound on the price; `shown`: a product in a picture that may be meant."""
    query, bound, properties = rng.choice(QUERY), "", {}
    properties[query] = "string"
    if rng.random() < 0.5:
        bound = rng.choice(BOUND)
        properties[bound] = "integer"
    made = schema(rng.choice(SEARCH_NAMES), rng.choice(SEARCH_TEXT), properties, [query])

    def ask(rng: random.Random) -> Request:
        meant = bool(shown) and rng.random() < 0.6
        product = shown if meant else rng.choice(NAMES)
        thing = a(product)
        arguments, price = {query: product}, rng.randint(2, 99)
        question = rng.choice(PICTURE_FIND) if meant else rng.choice(FIND).format(a=thing)
        if bound and not meant and rng.random() < 0.7:
            question, arguments[bound] = rng.choice(FIND_BOUND).format(a=thing, n=price), price
        cost, title = rng.randint(1, price), arguments[query]
        result = rng.choice([{"product": title, "price": cost}, {"results": [{"title": title, "price": cost}]}, {"price": cost}])
        return Request(question, made["function"]["name"], arguments, result, f"The price is ${cost}.")

    return Tool(made, ask, "product")


def price(rng: random.Random) -> Tool:
    parameter = rng.choice(["product", "product", "name"])
    name = rng.choice(["get_price", "check_price"])
    text = rng.choice(["Get the price of a product.", ""])

    def ask(rng: random.Random) -> Request:
        product = rng.choice(NAMES)
        cost, many = rng.randint(1, 99), is_plural(product)
        result = rng.choice([{"price": cost}, {"product": product, "price": cost}])
        question = rng.choice(PRICE_OF).format(a=a(product), do="do" if many else "does", be="are" if many else "is")
        return Request(question, name, {parameter: product}, result, f"The price is ${cost}.")

    return Tool(schema(name, text, {parameter: "string"}, [parameter]), ask, "product")


def weather(rng: random.Random) -> Tool:
    parameter = rng.choice(["city", "city", "location"])
    name = rng.choice(["get_weather", "weather"])
    text = rng.choice(["Get the weather in a city.", ""])

    def ask(rng: random.Random) -> Request:
        city = rng.choice(CITIES)
        degrees, sky = rng.randint(0, 40), rng.choice(["sunny", "cloudy", "rainy"])
        return Request(rng.choice(WEATHER).format(v=city), name, {parameter: city},
                       {"temperature": degrees, "condition": sky}, f"The temperature is {degrees} and the condition is {sky}.")

    return Tool(schema(name, text, {parameter: "string"}, [parameter]), ask, "weather")


def image_search(rng: random.Random) -> Tool:
    parameter = rng.choice(["image_index"])
    name = rng.choice(["image_search"])
    text = rng.choice(["Find pages by picture.", ""])

    def ask(rng: random.Random) -> Request:
        question = rng.choice(["Search with this picture.", "Do an image search."])
        return Request(question, name, {parameter: 0})

    return Tool(schema(name, text, {parameter: "integer"}, [parameter]), ask, "image")


def draw(rng: random.Random, shown: str = "") -> list[Tool]:
    """One to three tools, no two for the same request; with a picture of `shown`, a search first of all."""
    made = [m(rng) for m in rng.sample([search, price, weather], rng.randint(1, 2))]
    if shown:
        made = [search(rng, shown), *([image_search(rng)] if rng.random() < 0.5 else []), *made[:1]]
    kept: list[Tool] = []
    for tool in made:
        if all(tool.kind != k.kind and tool.name != k.name for k in kept):
            kept.append(tool)
    rng.shuffle(kept)
    return kept


def result_text(request: Request) -> str:
    """What the tool gives back, as text."""
    return json.dumps(request.result, ensure_ascii=False)
