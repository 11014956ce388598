"""Writes an evaluation: media files and questions.json with OpenAI-style messages and the answers that are right.

Tasks of one kind share their scenes (an example of each about one picture), so that making them is quick.

python3 make_eval.py --out DIR --n 20 --seed 1 [--tasks shapes_colour,vv_tag]
Needs numpy, Pillow, libespeak-ng1 and ffmpeg. The same seed makes the same questions.
"""
import argparse
import json
import pathlib
import random
from concurrent.futures import ProcessPoolExecutor

from data import ask_text, ask_tools, geometry, scenes
from data.files import write_sound, write_video
from data.items import think
from data.template import call_text
from tasks import TASKS, Task


def draw_scene(rng: random.Random, task: Task) -> scenes.Scene:
    """A held-out scene at a source size from 64 to 1000 px, a sound or video of 1.5 to 10 s."""
    even = task.kind in ("sequence", "moving", "voice_over")
    height, width = geometry.draw_source(rng, geometry.draw_grid(rng), 240 if even else rng.choice([120, 300, 1000]))
    if even:
        height, width = height // 2 * 2, width // 2 * 2
    seconds = round(rng.choice([rng.uniform(2.2, 4), rng.uniform(2.2, 4), rng.uniform(4, 10)]), 1)
    products = 2 if seconds < 3 or rng.random() < 0.8 else 3
    return scenes.draw(rng, "eval", task.kind, (width, height), seconds, products, task.unseen)


def media_parts(rng: random.Random, scene: scenes.Scene, folder: pathlib.Path, name: str) -> list[dict]:
    """Writes the scene's media files; returns their content parts in the order of the placeholders."""
    parts = {}
    if scene.clip:
        seconds = scene.sound.seconds if scene.sound else round(rng.uniform(2, 8), 1)
        write_video(folder / f"{name}.mp4", scene.clip, seconds, rng.choice([8, 10, 12.5, 25]), scene.sound)
        return [{"type": "video_url", "video_url": {"url": f"file:media/{name}.mp4"}}]
    if scene.picture:
        suffix = "jpg" if rng.random() < 0.3 else "png"
        scene.picture.image.save(folder / f"{name}.{suffix}", **({"quality": 92} if suffix == "jpg" else {"compress_level": 1}))
        parts["image"] = {"type": "image_url", "image_url": {"url": f"file:media/{name}.{suffix}"}}
    if scene.sound:
        write_sound(folder / f"{name}.wav", scene.sound, rng.choice([16000, 22050, 44100]))
        parts["audio"] = {"type": "audio_url", "audio_url": {"url": f"file:media/{name}.wav"}}
    return sorted(parts.values(), key=lambda p: scene.pads.index(p["type"][:5]))


def ask(rng: random.Random, task: Task, scene: scenes.Scene, parts: list[dict]) -> dict | None:
    """A question (or two turns) about a scene; None where the scene has nothing for the task."""
    items = [i for i in scene.items if not task.items or i.task in task.items]
    if not items:
        return None
    item = rng.choice(items)
    text_first = task.style == "plain" and rng.random() < 0.1
    turns = [(item.question, item.answer)]
    if task.style == "follow_up":
        turns = ask_text.follow_up(rng, rng.choice([i for i in scene.items if i is not item]), item)
    text = {"type": "text", "text": turns[0][0]}
    messages = [{"role": "user", "content": [text, *parts] if text_first else [*parts, text]}]
    for (_, answer), (question, _) in zip(turns, turns[1:]):
        messages += [{"role": "assistant", "content": answer}, {"role": "user", "content": question}]
    row = {"messages": messages, "expected": turns[-1][1]}
    if task.effort:
        row["taught"] = think(item, task.effort)
    if scene.kind == "voice_over":
        row["mm_processor_kwargs"] = {"use_audio_in_video": True}
    return row


def scene_rows(names: list[str], seed: int, number: int, folder: pathlib.Path) -> dict[str, dict]:
    """One scene with its media files, and a question about it for each task that it serves (all of one kind of scene)."""
    task = TASKS[names[0]]
    identity = f"{task.kind}{'-unseen' if task.unseen else ''}-{number:04d}"
    rng = random.Random(f"{seed}-{identity}")
    scene = draw_scene(rng, task)
    parts = media_parts(rng, scene, folder, identity)
    rows = {name: ask(rng, TASKS[name], scene, parts) for name in names}
    return {name: row for name, row in rows.items() if row}


def text_question(rng: random.Random, task: Task) -> dict:
    item = next(i for i in ask_text.items(rng) if i.task in task.items)
    return {"messages": [{"role": "user", "content": item.question}], "expected": item.answer}


def tool_question(rng: random.Random, task: Task) -> dict:
    """A request to one of the caller's tools, or the answer from its result."""
    tools = ask_tools.draw(rng)
    request = rng.choice(tools).ask(rng)
    row = {"messages": [{"role": "user", "content": request.question}], "tools": [t.schema for t in tools]}
    if task.style == "tool_call":
        return row | {"expected": "", "expected_tool_calls": [{"name": request.name, "arguments": request.arguments}],
                      "taught": call_text(request.name, request.arguments)}
    arguments = json.dumps(request.arguments, ensure_ascii=False)
    row["messages"] += [
        {"role": "assistant", "content": "", "tool_calls": [
            {"id": "call_1", "type": "function", "function": {"name": request.name, "arguments": arguments}}]},
        {"role": "tool", "tool_call_id": "call_1", "content": ask_tools.result_text(request)}]
    return row | {"expected": request.answer}


def text_rows(names: list[str], seed: int, number: int, folder: pathlib.Path) -> dict[str, dict]:
    """The example of this number for each task without media."""
    make = {"tools": tool_question, "text": text_question}
    return {name: make[TASKS[name].kind](random.Random(f"{seed}-{name}-{number}"), TASKS[name]) for name in names}


def groups(names: list[str]) -> list[list[str]]:
    """Tasks that share scenes."""
    found: dict[tuple, list[str]] = {}
    for name in names:
        found.setdefault((TASKS[name].kind in ("text", "tools"), TASKS[name].kind, TASKS[name].unseen), []).append(name)
    return list(found.values())


def make_rows(names: list[str], n: int, seed: int, folder: pathlib.Path, jobs: int = 1) -> list[dict]:
    """n examples of each task; within a task each is about another scene."""
    rows: list[dict] = []
    with ProcessPoolExecutor(jobs) as pool:
        for group in groups(names):
            make = text_rows if TASKS[group[0]].kind in ("text", "tools") else scene_rows
            have, first = dict.fromkeys(group, 0), 0
            while min(have.values()) < n:
                count = max(4, min(64, n - min(have.values())))
                numbers = range(first, first + count)
                first += count
                args = [group] * count, [seed] * count, numbers, [folder] * count
                for made in pool.map(make, *args, chunksize=4):
                    for name, row in made.items():
                        if have[name] < n:
                            effort = {"reasoning_effort": TASKS[name].effort} if TASKS[name].effort else {}
                            rows.append({"id": f"{name}-{have[name]:04d}", "task": name, **row, **effort})
                            have[name] += 1
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("--n", type=int, default=20, help="examples of each task")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--tasks", default=",".join(TASKS))
    parser.add_argument("--jobs", type=int, default=2)
    args = parser.parse_args()
    folder = args.out / "media"
    folder.mkdir(parents=True, exist_ok=True)
    names = args.tasks.split(",")
    unknown = [n for n in names if n not in TASKS]
    if unknown:
        parser.error(f"unknown tasks: {', '.join(unknown)}")
    rows = make_rows(names, args.n, args.seed, folder, args.jobs)
    (args.out / "questions.json").write_text(json.dumps(rows, ensure_ascii=False, indent=1) + "\n")
    print(f"{len(rows)} questions of {len(names)} tasks in {args.out}")


if __name__ == "__main__":
    main()
