"""Packs: media once, and several short conversations about them that do not see each other."""
import random
from dataclasses import dataclass, field

import numpy as np

from . import ask_text, ask_tools, geometry, scenes, speech, videos
from .items import Item, think
from .template import POLICY, call_text, preamble

SYSTEMS = ["You are a helpful assistant.", "Be brief.", "You are a shop assistant.", "Answer in one sentence.",
           "You moderate product videos.", "You help customers."]
EFFORTS = {"minimal": 25, "medium": 50, "high": 25}


def draw_effort(rng: random.Random) -> str:
    return rng.choices(list(EFFORTS), list(EFFORTS.values()))[0]


@dataclass
class Segment:
    """One conversation after the shared prefix: (text, counts in the loss) in turn; `task` for the evaluation."""
    task: str
    turns: list[tuple[str, bool]]
    weight: float = 1.0


@dataclass
class Pack:
    prefix: str  # up to and including the media placeholders
    segments: list[Segment]
    frames: np.ndarray | None = None  # uint8 (t, height, width, 3), t = 1 for a picture
    video: bool = False
    second_per_grid: float = 1.0
    mel: np.ndarray | None = None  # (128, frames)
    labels: dict = field(default_factory=dict)  # the scene, for auxiliary heads


@dataclass
class Shape:
    """What all packs of a batch share, so that their media stack."""
    kind: str  # shapes, product, speech, sequence, moving, voice_over, tagged_speech, text, tools
    grid: tuple[int, int] = (96, 96)
    frames: int = 4
    seconds: float = 3.0
    style: str = "plain"  # plain, think, tools, follow_up, text_first


def answer_turns(item: Item, effort: str) -> list[tuple[str, bool]]:
    """The rest of a conversation after the media: question, answer."""
    answer = think(item, effort) if effort else item.answer
    return [(f"{item.question}<|im_end|>\n<|im_start|>assistant\n", False), (f"{answer}<|im_end|>", True)]


def segments_of(rng: random.Random, items: list[Item], count: int, shape: Shape, effort: str,
                weights: dict[str, float]) -> list[Segment]:
    """Draws questions; in follow-up style two turns each."""
    weight = [weights.get(i.task, 1.0) for i in items]
    chosen, pool = [], list(zip(items, weight))
    while pool and len(chosen) < count:
        i = rng.choices(range(len(pool)), [w for _, w in pool])[0]
        chosen.append(pool.pop(i)[0])
    if shape.style != "follow_up":
        return [Segment(f"think_{effort}" if effort else i.task, answer_turns(i, effort)) for i in chosen]
    result = []
    for second in chosen:
        first = rng.choice([i for i in items if i is not second] or items)
        (q1, a1), (q2, a2) = ask_text.follow_up(rng, first, second)
        result.append(Segment("text_followup", [
            (f"{q1}<|im_end|>\n<|im_start|>assistant\n", False), (f"{a1}<|im_end|>", True),
            (f"\n<|im_start|>user\n{q2}<|im_end|>\n<|im_start|>assistant\n", False), (f"{a2}<|im_end|>", True)]))
    return result


def media_pack(rng: random.Random, split: str, shape: Shape, unseen: bool = False) -> tuple[Pack, scenes.Scene]:
    """A scene of this shape, its media as arrays in a pack without questions."""
    height, width = geometry.draw_source(rng, shape.grid, 600 if rng.random() < 0.05 else 200)
    products = 2 if shape.frames < 6 or rng.random() < 0.8 else 3
    scene = scenes.draw(rng, split, shape.kind, (width, height), shape.seconds, products, unseen)
    pack = Pack("", [], labels={"picture": scene.picture} if scene.picture else {})
    if scene.kind == "moving":
        pack.labels["direction"] = scene.clip.direction
    if scene.clip:
        pack.frames, pack.video = film(scene.clip, shape.frames), True
        pack.second_per_grid = rng.choice([2.0] * 6 + [1.0, 1.0])  # 2: the official default, 1: where a request says fps 2
    elif scene.picture:
        pack.frames = np.asarray(geometry.fit(scene.picture.image))[None]
    if scene.sound:
        wave = speech.resample(scene.sound.wave, scene.sound.rate)
        pack.mel = speech.log_mel(wave[:int(shape.seconds * speech.TARGET)])
    return pack, scene


def film(clip: videos.Clip, frames: int) -> np.ndarray:
    """Sampled frames as the processor resizes them: uint8 (frames, height, width, 3)."""
    return np.stack([np.asarray(geometry.fit(clip.frame(i / (frames - 1)))) for i in range(frames)])


def policy(rng: random.Random, effort: str) -> str:
    """The thinking policy, at times followed by the caller's own system prompt."""
    own = f"\n\n{rng.choice(SYSTEMS)}" if rng.random() < 0.15 else ""
    return POLICY.format(effort=effort) + own


def tool_segment(rng: random.Random, tool: ask_tools.Tool, effort: str) -> Segment:
    """A request and its call, half the time the tool's result and the answer from it too."""
    request = tool.ask(rng)
    call = call_text(request.name, request.arguments)
    item = Item("tool_call", request.question, call, "request", f"I use {request.name}.", f"{request.name} fits.")
    turns = answer_turns(item, effort)
    if request.result is None or rng.random() < 0.5:
        return Segment("tool_call", turns)
    response = (f"\n<|im_start|>user\n<tool_response>\n{ask_tools.result_text(request)}\n</tool_response><|im_end|>\n"
                "<|im_start|>assistant\n")
    final = Item("tool_result", "", request.answer, "result", "I read the result.")
    return Segment("tool_result", [*turns, (response, False), answer_turns(final, effort)[1]])


def tool_pack(rng: random.Random, split: str, shape: Shape, count: int) -> Pack:
    """Requests to tools, now and then one that needs none; some of the packs thinking, some with a picture."""
    effort = draw_effort(rng) if rng.random() < 0.2 else ""
    pack, items, pads, shown = Pack("", []), ask_text.items(rng)[:2], "", ""
    if shape.kind == "product":
        pack, scene = media_pack(rng, split, shape)
        items, pads, shown = scene.items, scene.pads, scene.picture.product
    tools = ask_tools.draw(rng, shown)
    system = policy(rng, effort) if effort else rng.choice(["", "", *SYSTEMS])
    pack.prefix = preamble(system, [t.schema for t in tools]) + "<|im_start|>user\n" + pads
    for _ in range(count):
        if rng.random() < (0.25 if shown else 0.1):
            item = rng.choice(items)
            pack.segments.append(Segment(f"tool_unneeded_{item.task}", answer_turns(item, effort)))
        else:
            pack.segments.append(tool_segment(rng, rng.choice(tools), effort))
    return pack


def make(rng: random.Random, split: str, shape: Shape, count: int = 4, unseen: bool = False,
         weights: dict[str, float] | None = None) -> Pack:
    """A pack of `count` conversations of this shape."""
    if shape.style == "tools":
        return tool_pack(rng, split, shape, count)
    effort = draw_effort(rng) if shape.style == "think" else ""
    if shape.kind == "text":
        pack, pads, own = Pack("", []), "", {"text_compare": 3.0}
        items = [i for _ in range(2) for i in ask_text.items(rng)]
    else:
        pack, scene = media_pack(rng, split, shape, unseen)
        items, pads, own = scene.items, scene.pads, scene.weights
    own = {**own, **(weights or {})}
    system = policy(rng, effort) if effort else rng.choice(SYSTEMS) if rng.random() < 0.08 else ""
    if shape.style == "text_first":
        item = rng.choices(items, [own.get(i.task, 1.0) for i in items])[0]
        pack.prefix = f"{preamble(system)}<|im_start|>user\n{item.question}{pads}"
        turns = [("<|im_end|>\n<|im_start|>assistant\n", False), answer_turns(item, effort)[1]]
        pack.segments = [Segment(f"think_{effort}" if effort else item.task, turns)]
        return pack
    pack.prefix = f"{preamble(system)}<|im_start|>user\n{pads}"
    pack.segments = segments_of(rng, items, count, shape, effort, own)
    return pack
