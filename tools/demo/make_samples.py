"""Samples of a checkpoint: questions with media, and the ids that PyTorch generates greedily in float32 from it."""
import json
import pathlib
import random

import jinja2
import numpy as np
from PIL import Image
from tokenizers import Tokenizer

from check_golden import greedy, load, special_ids
from data import geometry, packs
from data.files import read_video, read_wave
from data.speech import log_mel
from data.template import JINJA, POLICY
from make_eval import make_row
from model.audio import token_count
from model.patches import patch_rows
from model.positions import Media, build
from tasks import TASKS

NAMES = ["shapes_colour", "shapes_shape_at", "shapes_where", "shapes_count", "product_name", "product_price", "product_describe",
         "product_json", "speech_transcript", "speech_price", "video_first", "video_order", "video_direction", "vv_tag", "vv_voice",
         "vv_verdict_equal", "vv_verdict_unequal", "text_greeting", "text_capabilities", "text_category", "text_followup",
         "think_minimal", "think_medium", "think_high", "think_video", "tool_call", "tool_result"]


def render(row: dict) -> str:
    """The conversation through the checkpoint's own template."""
    environment = jinja2.Environment(trim_blocks=True, lstrip_blocks=True, extensions=["jinja2.ext.loopcontrols"])
    environment.policies["json.dumps_kwargs"] = {"ensure_ascii": False, "sort_keys": False}
    environment.filters["tojson"] = lambda value: json.dumps(value, ensure_ascii=False)
    messages = row["messages"]
    if row.get("reasoning_effort"):
        messages = [{"role": "system", "content": POLICY.format(effort=row["reasoning_effort"])}, *messages]
    return environment.from_string(JINJA).render(messages=messages, tools=row.get("tools"), add_generation_prompt=True)


def media_of(row: dict, samples: pathlib.Path) -> tuple[bool, Media, tuple]:
    """Decodes a row's media as the server would: (video with sound?, media, (patch rows, grid, mel)).

    A video's sampled frames, resized, are also written as PNG files, so that a test can leave the decoder out.
    """
    media, rows, grid, mel = Media(), None, (0, 0), None
    parts = [p for m in row["messages"] if isinstance(m["content"], list) for p in m["content"]]
    for part in parts:
        if part["type"] == "text":
            continue
        path = samples / part[part["type"]]["url"].removeprefix("file:")
        if part["type"] == "image_url":
            frames = np.asarray(geometry.fit(Image.open(path).convert("RGB")))[None]
            media.pictures.append((frames.shape[1] // 32, frames.shape[2] // 32))
        elif part["type"] == "video_url":
            frames, sound = read_video(path)
            row["frames"] = [f"media/{path.stem}-{i:02d}.png" for i in range(len(frames))]
            for name, frame in zip(row["frames"], frames):
                Image.fromarray(frame).save(samples / name)
            media.videos.append((len(frames) // 2, frames.shape[1] // 32, frames.shape[2] // 32, 1.0))
            mel = sound
        else:
            mel = log_mel(read_wave(path))
        if part["type"] != "audio_url":
            rows, grid = patch_rows(frames), (frames.shape[1] // 16, frames.shape[2] // 16)
    if mel is not None:
        media.sounds.append(token_count(mel.shape[1]))
    return bool(media.videos and media.sounds), media, (rows, grid, mel)


def write_samples(folder: pathlib.Path, seed: int = 11) -> None:
    """Writes samples/answers.json and samples/media beside the checkpoint; videos as frames and sound too."""
    samples = folder / "samples"
    (samples / "media").mkdir(parents=True, exist_ok=True)
    model, config = load(folder)
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    stop = tokenizer.token_to_id("<|im_end|>")
    rows = []
    for name in NAMES:
        task = TASKS[name]
        row = make_row(name, seed, 0, samples / "media")
        scene, media, arrays = media_of(row, samples)
        prompt = render(row)
        if scene:
            prompt = prompt.replace("<|vision_start|><|video_pad|><|vision_end|>", packs.scenes.SOUND_IN_VIDEO)
        ids = tokenizer.encode(prompt).ids
        out = greedy(model, config, ids, media, *arrays, stop)
        rows.append(row | {"kind": task.kind, "prompt": prompt, "prompt_ids": build(ids, special_ids(config), media).ids, "answer_ids": out,
                           "model_answer": tokenizer.decode(out[:-1], skip_special_tokens=False)})
    (samples / "answers.json").write_text(json.dumps(rows, ensure_ascii=False, indent=1) + "\n")
