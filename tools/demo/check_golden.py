"""Compares this folder's forward with the official numbers: fixtures of Valley3, and a checkpoint with its samples."""
import argparse
import json
import pathlib
import wave
from dataclasses import dataclass, field

import numpy as np
import torch
from PIL import Image
from safetensors.torch import load_file

from data.speech import log_mel
from model.audio import token_count
from model.codes import decoded
from model.patches import patch_rows
from model.positions import Media, build
from model.valley import Valley, causal


def load(folder: pathlib.Path) -> tuple[Valley, dict]:
    """A checkpoint folder, also one converted to int4, in float32 and its config."""
    config = json.loads((folder / "config.json").read_text())
    model = Valley(config).eval()
    shapes = {k: v.shape for k, v in model.state_dict().items()}
    model.load_state_dict(decoded(load_file(folder / "model.safetensors"), shapes))
    return model, config


def special_ids(config: dict) -> dict[str, int]:
    return {f"<|{k}_pad|>": config[f"{k}_token_id"] for k in ("image", "video", "audio")}


def nmse(x: torch.Tensor, y: torch.Tensor) -> float:
    return float(((x - y) ** 2).sum() / (y ** 2).sum())


@torch.no_grad()
def fixture(folder: pathlib.Path) -> float:
    """NMSE of the last logits of one model case, which must be exact in positions too."""
    case = json.loads((folder / "case.json").read_text())
    model, config = load(folder / case["model"])
    x, y = load_file(folder / "inputs.safetensors"), load_file(folder / "expected.safetensors")
    ids = x["input_ids"].long()
    seen, taps, heard = [], [], []
    for kind in ("", "_videos"):
        at = 0
        for t, h, w in x.get(f"{'video' if kind else 'image'}_grid_thw", torch.zeros(0, 3)).tolist():
            t, h, w = int(t), int(h), int(w)
            rows = x[f"pixel_values{kind}"][at:at + t * h * w].float().view(1, t, h * w, -1)
            at += t * h * w
            merged, deep = model.see(rows, h, w)
            seen.append((bool(kind), merged[0], [d[0] for d in deep]))
    for mel, some in zip(x.get("input_features", []), x.get("feature_attention_mask", [])):
        heard.append(model.hear(mel[:, some.bool()][None].float())[0])
    places = {k: (ids[0] == config[f"{k}_token_id"]).nonzero()[:, 0] for k in ("image", "video", "audio")}
    order = torch.cat([places["image"], places["video"]])
    visual, audio = (torch.zeros_like(order), order), (torch.zeros_like(places["audio"]), places["audio"])
    features = torch.cat([m for _, m, _ in seen]) if seen else None
    taps = [torch.cat([d[k] for _, _, d in seen]) for k in range(len(seen[0][2]))] if seen else []
    h = model.hidden(ids, y["position_ids"].float(), causal(ids.shape[1]), visual if seen else None, features, taps,
                     audio if heard else None, torch.cat(heard) if heard else None)
    return nmse(model.lm_head(h[0, -64:]), y["logits_last64"])


@dataclass
class Perceived:
    """What the encoders make of at most one picture or video and at most one sound."""
    seen: torch.Tensor | None = None  # (tokens, width)
    taps: list[torch.Tensor] = field(default_factory=list)
    heard: torch.Tensor | None = None


@torch.no_grad()
def perceive(model: Valley, rows: np.ndarray | None, grid: tuple[int, int], mel: np.ndarray | None) -> Perceived:
    result = Perceived()
    if rows is not None:
        merged, deep = model.see(torch.from_numpy(rows)[None], *grid)
        result.seen, result.taps = merged[0], [d[0] for d in deep]
    if mel is not None:
        result.heard = model.hear(torch.from_numpy(mel)[None])[0]
    return result


class Prompted:
    """A prompt with its media."""

    def __init__(self, model: Valley, config: dict, ids: list[int], media: Media, perceived: Perceived):
        self.model, self.perceived = model, perceived
        self.prompt = build(ids, special_ids(config), media)
        self.visual, self.audio = (
            None if features is None else (torch.zeros(len(at), dtype=torch.long), torch.tensor(at))
            for features, at in ((perceived.seen, self.prompt.visual), (perceived.heard, self.prompt.audio)))

    @torch.no_grad()
    def next_ids(self, answer: list[int], count: int) -> list[int]:
        """The likeliest tokens after each of the last `count` tokens of prompt and answer."""
        tokens = self.prompt.ids + answer
        late = [(self.prompt.next + i,) * 3 for i in range(len(answer))]
        positions = torch.tensor(self.prompt.positions + late).T[:, None]
        h = self.model.hidden(torch.tensor([tokens]), positions, causal(len(tokens)), self.visual, self.perceived.seen,
                              self.perceived.taps, self.audio, self.perceived.heard)
        return self.model.lm_head(h[0, -count:]).argmax(-1).tolist()

    def meets(self, answer: list[int]) -> bool:
        """Whether greedy decoding gives exactly this answer: by teacher forcing, in one forward."""
        return self.next_ids(answer[:-1], len(answer)) == answer

    def greedy(self, stop: int, limit: int = 160) -> list[int]:
        out: list[int] = []
        while len(out) < limit and out[-1:] != [stop]:
            out += self.next_ids(out, 1)
        return out


def sample(model: Valley, config: dict, folder: pathlib.Path, row: dict, stop: int) -> bool:
    """Whether the greedy ids of one sample of a checkpoint (one picture or one sound, or text) are met."""
    pads, ids = special_ids(config), []
    for token in row["prompt_ids"]:  # back to one placeholder
        if not (ids and token == ids[-1] and token in pads.values()):
            ids.append(token)
    media, rows, mel, grid = Media(), None, None, (0, 0)
    name = row.get("file") or ""
    if name.endswith(".png"):
        frame = np.asarray(Image.open(folder / name).convert("RGB"))[None]
        rows, grid = patch_rows(frame), (frame.shape[1] // 16, frame.shape[2] // 16)
        media.pictures.append((grid[0] // 2, grid[1] // 2))
    elif name.endswith(".wav"):
        with wave.open(str(folder / name)) as f:
            mel = log_mel(np.frombuffer(f.readframes(f.getnframes()), np.int16).astype(np.float32) / 32768)
        media.sounds.append(token_count(mel.shape[1]))
    return Prompted(model, config, ids, media, perceive(model, rows, grid, mel)).greedy(stop) == row["answer_ids"]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--fixtures", type=pathlib.Path, required=True, help="folder with _model and the model cases")
    parser.add_argument("--checkpoint", type=pathlib.Path, help="a checkpoint with samples/answers.json")
    args = parser.parse_args()
    bad = 0
    for folder in sorted(args.fixtures.iterdir()):
        case = folder / "case.json"
        if case.exists() and json.loads(case.read_text())["kind"] == "model":
            error = fixture(folder)
            bad += error > 1e-9
            print(folder.name, f"{error:.1e}", "ok" if error <= 1e-9 else "BAD")
    if args.checkpoint:
        model, config = load(args.checkpoint)
        stop = json.loads((args.checkpoint / "generation_config.json").read_text())["eos_token_id"]
        rows = json.loads((args.checkpoint / "samples/answers.json").read_text())
        right = sum(sample(model, config, args.checkpoint, row, stop) for row in rows)
        bad += right < len(rows)
        print(f"samples: {right} of {len(rows)} met")
    raise SystemExit(1 if bad else 0)


if __name__ == "__main__":
    main()
