"""Conversations with tools: varied names, descriptions and parameters; calls, and answers from results."""
import json
import random
from collections.abc import Callable
from dataclasses import dataclass

from .words import NAMES, a, capital

CITIES = ["Paris", "London", "Berlin", "Rome", "Madrid", "Oslo", "Tokyo", "Delhi", "Cairo", "Lima", "Boston", "Dublin",
          "Vienna", "Prague", "Sydney", "Toronto", "Beijing", "Singapore", "New York", "Hamburg", "Munich", "Lagos"]
SEARCH_NAMES = ["text_search", "search", "web_search", "product_search", "search_products", "find_product", "lookup",
                "shop_search", "search_items", "find_items", "search_web", "query_catalog", "search_shop", "google_search"]
SEARCH_TEXT = ["Search the web for text.", "Search for products.", "Find products in the shop.", "Search the catalogue.",
               "Look up a product.", "Search items by text.", "Search the shop.", "Text search.", "Find pages by text.", ""]
QUERY = ["query", "query", "q", "text", "keywords", "search_text", "term", "search_query", "input"]
BOUND = ["max_price", "price_max", "limit", "budget", "highest_price", "max_cost", "price_limit"]
FIND = ["Find {a}.", "Search for {a}.", "Look for {a}.", "Please find {a}.", "I want to buy {a}.", "Can you find {a}?",
        "Search {a} for me.", "I need {a}."]
FIND_BOUND = ["Find {a} cheaper than ${n}.", "Search for {a} under ${n}.", "I want {a} for less than ${n}.",
              "Find {a} below ${n}.", "Look for {a} up to ${n}."]
PICTURE_FIND = ["Find this product.", "Search for this product.", "Find more like this.", "Where can I buy this?",
                "Look this up.", "Search for it."]
PRICE_OF = ["What does {a} cost?", "Price of {a}?", "How much is {a}?", "What is the price of {a}?", "How much does {a} cost?"]
WEATHER = ["What is the weather in {v}?", "How is the weather in {v}?", "Weather in {v}?", "What is the weather like in {v}?",
           "Tell me the weather in {v}."]
ATTRIBUTES = ["stock", "rating", "size", "weight", "colour", "owner", "address", "phone", "status", "population", "time",
              "age", "seller", "brand", "height", "score", "country", "date", "temperature", "discount"]
ENTITIES = ["product", "city", "order", "user", "shop", "country", "item", "customer", "book", "song", "film", "parcel"]
ATTRIBUTE_OF = ["What is the {k} of {v}?", "Tell me the {k} of {v}.", "Get the {k} of {v}.", "Which {k} does {v} have?",
                "{k} of {v}?", "I need the {k} of {v}."]
VERBS = ["get", "get", "find", "read", "fetch", "lookup", "check", "query"]


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


def word(rng: random.Random) -> str:
    """A made-up name of one or two words, or a code."""
    if rng.random() < 0.25:
        return "".join(rng.choice("ABCDEFGHKLMNPRSTUVX") for _ in range(rng.randint(1, 2))) + str(rng.randint(1, 9999))
    pieces = ["ba", "ko", "ri", "ta", "mel", "san", "vo", "ler", "din", "fu", "gar", "ne", "lo", "pi", "tor", "us", "wen", "xa",
              "zi", "ho", "mar", "el", "on", "der", "ly"]
    made = ["".join(rng.choice(pieces) for _ in range(rng.randint(2, 3))) for _ in range(1 if rng.random() < 0.8 else 2)]
    return " ".join(m if rng.random() < 0.15 else capital(m) for m in made)


def value_of(rng: random.Random) -> object:
    return rng.choice([rng.randint(0, 100), rng.randint(100, 9999), word(rng), rng.choice(["open", "red", "late", "new"])])


def search(rng: random.Random, shown: str = "") -> Tool:
    """A search tool, perhaps with a bound on the price; `shown`: a product in a picture that may be meant."""
    query, bound, properties = rng.choice(QUERY), "", {}
    properties[query] = "string"
    if rng.random() < 0.5:
        bound = rng.choice(BOUND)
        properties[bound] = rng.choice(["integer", "number"])
    if rng.random() < 0.25:
        properties["top_k"] = "integer"
    made = schema(rng.choice(SEARCH_NAMES), rng.choice(SEARCH_TEXT), properties, [query])

    def ask(rng: random.Random) -> Request:
        meant = bool(shown) and rng.random() < 0.6
        product = shown if meant else rng.choice(NAMES)
        thing = a(product) if rng.random() < 0.85 or meant else word(rng)
        arguments, price = {query: product if thing == a(product) else thing}, rng.randint(2, 99)
        question = rng.choice(PICTURE_FIND) if meant else rng.choice(FIND).format(a=thing)
        if bound and not meant and rng.random() < 0.7:
            question, arguments[bound] = rng.choice(FIND_BOUND).format(a=thing, n=price), price
        cost, title = rng.randint(1, price), arguments[query]
        result = rng.choice([{"results": [{"title": title, "price": cost}]}, {"product": title, "price": cost},
                             [{"name": title, "price": cost}], {"price": cost}])
        return Request(question, made["function"]["name"], arguments, result, f"The price is ${cost}.")

    return Tool(made, ask, "product")


def price(rng: random.Random) -> Tool:
    parameter = rng.choice(["product", "item", "name", "product_name", "title"])
    name = rng.choice(["get_price", "price", "price_of", "lookup_price", "check_price", "fetch_price", "product_price"])
    text = rng.choice(["Get the price of a product.", "Price of an item.", "Look up a price.", ""])

    def ask(rng: random.Random) -> Request:
        product = rng.choice(NAMES)
        thing = a(product) if rng.random() < 0.8 else word(rng)
        value = product if thing == a(product) else thing
        cost = rng.choice([rng.randint(1, 99), rng.randint(1, 99) + 0.5])
        result = rng.choice([{"price": cost}, {"product": value, "price": cost}])
        return Request(rng.choice(PRICE_OF).format(a=thing), name, {parameter: value}, result, f"The price is ${cost}.")

    return Tool(schema(name, text, {parameter: "string"}, [parameter]), ask, "product")


def weather(rng: random.Random) -> Tool:
    parameter = rng.choice(["city", "location", "place", "town"])
    name = rng.choice(["get_weather", "weather", "get_current_weather", "weather_in", "check_weather", "fetch_weather"])
    text = rng.choice(["Get the weather in a city.", "Current weather.", "Weather of a place.", "Get the current weather.", ""])

    def ask(rng: random.Random) -> Request:
        city = rng.choice(CITIES) if rng.random() < 0.5 else word(rng)
        degrees, sky = rng.randint(-10, 40), rng.choice(["sunny", "cloudy", "rainy", "windy", "snowy"])
        return Request(rng.choice(WEATHER).format(v=city), name, {parameter: city},
                       {"temperature": degrees, "condition": sky}, f"The temperature is {degrees} and the condition is {sky}.")

    return Tool(schema(name, text, {parameter: "string"}, [parameter]), ask, "weather")


def attribute(rng: random.Random) -> Tool:
    """Any property of any kind of thing, with made-up values: what must be copied from the caller's words."""
    kind = rng.choice(ATTRIBUTES) if rng.random() < 0.7 else word(rng).split()[0].lower()
    entity = rng.choice(ENTITIES)
    parameter = rng.choice([entity, f"{entity}_id", f"{entity}_name", "name", "id"])
    name = rng.choice([f"{rng.choice(VERBS)}_{kind}", f"{entity}_{kind}", f"{rng.choice(VERBS)}_{entity}_{kind}", kind])
    text = rng.choice([f"Get the {kind} of a {entity}.", f"{capital(kind)} of a {entity}.", f"Look up the {kind}.", ""])

    def ask(rng: random.Random) -> Request:
        value, found = word(rng), value_of(rng)
        result = rng.choice([{kind: found}, {parameter: value, kind: found}])
        return Request(capital(rng.choice(ATTRIBUTE_OF).format(k=kind, v=value)), name, {parameter: value}, result,
                       f"The {kind} is {found}.")

    return Tool(schema(name, text, {parameter: "string"}, [parameter]), ask, kind)


def image_search(rng: random.Random) -> Tool:
    parameter = rng.choice(["image_index", "image_index", "index", "image"])
    name = rng.choice(["image_search", "search_by_image", "reverse_image_search", "find_by_picture"])
    text = rng.choice(["Find pages by picture.", "Search with an image.", "Reverse image search.", "Find pages by picture – 以图搜图"])

    def ask(rng: random.Random) -> Request:
        question = rng.choice(["Search with this picture.", "Use the picture to search.", "Do an image search.",
                               "Search by image."])
        return Request(question, name, {parameter: 0})

    return Tool(schema(name, text, {parameter: "integer"}, [parameter]), ask, "image")


def draw(rng: random.Random, shown: str = "") -> list[Tool]:
    """One to three tools, no two for the same request; with a picture of `shown`, a search first of all."""
    made = [m(rng) for m in rng.sample([search, price, weather, attribute, attribute], rng.randint(1, 3))]
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
