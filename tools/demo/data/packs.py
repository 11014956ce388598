"""Packs: media once, and several short conversations about them that do not see each other."""
import random
from dataclasses import dataclass, field

import numpy as np

from . import ask_media, ask_pictures, ask_text, ask_tools, geometry, pictures, sentences, speech, videos
from .items import Item, think
from .template import PADS, POLICY, call_text, preamble

SYSTEMS = ["You are a helpful assistant.", "Be brief.", "You are a shop assistant.", "Answer in one sentence.",
           "You moderate product videos.", "You help customers."]
EFFORTS = ["minimal", "medium", "high"]


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
        return [Segment(i.task, answer_turns(i, effort)) for i in chosen]
    result = []
    for second in chosen:
        first = rng.choice([i for i in items if i is not second] or items)
        (q1, a1), (q2, a2) = ask_text.follow_up(rng, first, second)
        result.append(Segment("text_followup", [
            (f"{q1}<|im_end|>\n<|im_start|>assistant\n", False), (f"{a1}<|im_end|>", True),
            (f"\n<|im_start|>user\n{q2}<|im_end|>\n<|im_start|>assistant\n", False), (f"{a2}<|im_end|>", True)]))
    return result


def scene(rng: random.Random, split: str, shape: Shape, unseen: bool = False) -> tuple[Pack, list[Item], str, dict]:
    """The media of a pack, the questions about them, and the placeholders."""
    height, width = geometry.draw_source(rng, shape.grid, 600 if rng.random() < 0.05 else 200)
    size, pack = (width, height), Pack("", [])
    if shape.kind == "shapes":
        p = pictures.shapes_picture(rng, split, size)
        pack.frames, pack.labels = np.asarray(geometry.fit(p.image))[None], {"picture": p}
        return pack, ask_pictures.shapes(rng, p), PADS["image"], {}
    if shape.kind == "product":
        p = pictures.product_picture(rng, split, size, unseen_vendor=unseen, unseen_font=unseen)
        pack.frames, pack.labels = np.asarray(geometry.fit(p.image))[None], {"picture": p}
        return pack, ask_pictures.product(rng, p, split), PADS["image"], {}
    if shape.kind == "speech":
        s = sentences.draw(rng, split)
        pack.mel = heard(rng, s, shape.seconds, unseen)
        return pack, ask_media.speech(rng, s), PADS["audio"], {"speech_transcript": 2.0}
    if shape.kind in ("sequence", "moving"):
        if shape.kind == "moving":
            clip = videos.moving(rng, split, size)
            items, weights = ask_media.moving(rng, clip), {"video_direction": 2.0}
        else:
            clip = videos.sequence(rng, split, size, 2 if shape.frames < 6 or rng.random() < 0.6 else 3)
            items, weights = ask_media.sequence(rng, clip), {"video_order": 2.0}
        pack.frames, pack.video = film(clip, shape.frames), True
        pack.second_per_grid = rng.choice([1.0] * 6 + [2.0, 0.5])
        pack.labels = {"clip": clip, "ends": (0, shape.frames - 1)}
        return pack, items, PADS["video"], weights
    # a product with its tag, and a voice about it
    p = pictures.product_picture(rng, split, size, tagged=1.0)
    spoken = p.product if rng.random() < 0.75 else rng.choice(sentences.NAMES)
    price = p.tag.price if rng.random() < 0.5 else ask_media.close_price(rng, p.tag.price)
    s = sentences.draw(rng, split, spoken, price)
    pack.mel, pack.labels = heard(rng, s, shape.seconds, unseen), {"picture": p}
    items = ask_media.voice_over(rng, p, s)
    weights = {"vv_verdict_equal": 3.0, "vv_verdict_unequal": 3.0}
    if shape.kind == "tagged_speech":
        pack.frames = np.asarray(geometry.fit(p.image))[None]
        return pack, items, rng.choice([PADS["image"] + PADS["audio"], PADS["audio"] + PADS["image"]]), weights
    pack.frames, pack.video = film(videos.still(rng, p), shape.frames), True
    return pack, items, "<|vision_start|><|audio_start|><|video_pad|><|audio_pad|><|audio_end|><|vision_end|>", weights


def film(clip: videos.Clip, frames: int) -> np.ndarray:
    """Sampled frames as the processor resizes them: uint8 (frames, height, width, 3)."""
    return np.stack([np.asarray(geometry.fit(clip.frame(i / (frames - 1)))) for i in range(frames)])


def heard(rng: random.Random, s: sentences.Sentence, seconds: float, unseen: bool) -> np.ndarray:
    """Log-mel of the sentence in a clip of this length, cut to whole mel frames."""
    wave, hz, _ = speech.speak(rng, s.words, unseen)
    clip, _ = speech.place(rng, wave, hz, seconds)
    return speech.log_mel(speech.resample(clip, hz)[:int(seconds * speech.TARGET)])


def tool_pack(rng: random.Random, split: str, shape: Shape, count: int) -> Pack:
    """Tool calls and answers from their results; half of them thinking."""
    effort = rng.choice(EFFORTS) if rng.random() < 0.4 else ""
    with_picture = shape.kind == "product"
    pack, items, pads = Pack("", []), [], ""
    product = None
    if with_picture:
        pack, items, pads, _ = scene(rng, split, shape)
        product = pack.labels["picture"].product
    chosen = ask_tools.cases(rng, product)
    rng.shuffle(items)
    system = POLICY.format(effort=effort) if effort else rng.choice(["", "", *SYSTEMS])
    pack.prefix = preamble(system, [c.tool for c in chosen]) + "<|im_start|>user\n" + pads
    for i in range(count):
        case = chosen[i % len(chosen)]
        if product and items and i >= count - 1 or rng.random() < 0.08:
            item = items.pop() if items else rng.choice(ask_text.items(rng)[:2])
            pack.segments.append(Segment(item.task if items else "text_greeting", answer_turns(item, effort)))
            continue
        call = call_text(case.name, case.arguments)
        item = Item("tool_call", case.question, call, "request", f"I use {case.name}.",
                    f"{case.name} fits.")
        segment = Segment("tool_call", answer_turns(item, effort))
        if case.result and rng.random() < 0.5:
            response = f"\n<|im_start|>user\n<tool_response>\n{ask_tools.result_text(case)}\n</tool_response><|im_end|>\n<|im_start|>assistant\n"
            final = Item("tool_result", "", case.answer, "result", "I read the result.")
            segment = Segment("tool_result", [*segment.turns, (response, False), answer_turns(final, effort)[1]])
        pack.segments.append(segment)
    return pack


def make(rng: random.Random, split: str, shape: Shape, count: int = 4, unseen: bool = False,
         weights: dict[str, float] | None = None) -> Pack:
    """A pack of `count` conversations of this shape."""
    if shape.style == "tools":
        return tool_pack(rng, split, shape, count)
    effort = rng.choice(EFFORTS) if shape.style == "think" else ""
    if shape.kind == "text":
        pack, pads, own = Pack("", []), "", {"text_compare": 3.0}
        items = [i for _ in range(2) for i in ask_text.items(rng)]
    else:
        pack, items, pads, own = scene(rng, split, shape, unseen)
    own = {**own, **(weights or {})}
    system = POLICY.format(effort=effort) if effort else rng.choice(SYSTEMS) if rng.random() < 0.08 else ""
    if shape.style == "text_first":
        item = rng.choices(items, [own.get(i.task, 1.0) for i in items])[0]
        pack.prefix = f"{preamble(system)}<|im_start|>user\n{item.question}{pads}"
        turns = [("<|im_end|>\n<|im_start|>assistant\n", False), answer_turns(item, effort)[1]]
        pack.segments = [Segment(item.task, turns)]
        return pack
    pack.prefix = f"{preamble(system)}<|im_start|>user\n{pads}"
    pack.segments = segments_of(rng, items, count, shape, effort, own)
    return pack
