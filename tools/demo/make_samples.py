"""Samples of a checkpoint: questions with media, and the ids that PyTorch generates greedily in float32 from it."""
import json
import pathlib

from tokenizers import Tokenizer

from check_golden import Prompted, load, perceive, special_ids
from make_eval import make_rows
from model.positions import build
from rows import media_of, render

NAMES = ["shapes_colour", "shapes_shape_at", "shapes_where", "shapes_count", "product_name", "product_price", "product_describe",
         "product_json", "speech_transcript", "speech_price", "video_first", "video_order", "video_direction", "vv_tag", "vv_voice",
         "vv_verdict_equal", "vv_verdict_unequal", "text_greeting", "text_capabilities", "text_category", "followup_product",
         "think_minimal", "think_medium", "think_high", "think_video", "tool_call", "tool_result"]


def policy_of(prompt: str) -> str:
    """The system message of a rendered prompt."""
    return prompt.removeprefix("<|im_start|>system\n").partition("<|im_end|>")[0]


def write_samples(folder: pathlib.Path, seed: int = 11) -> None:
    """Writes samples/answers.json and samples/media beside the checkpoint; videos as frames and sound too."""
    samples = folder / "samples"
    (samples / "media").mkdir(parents=True, exist_ok=True)
    model, config = load(folder)
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    stop = tokenizer.token_to_id("<|im_end|>")
    rows = []
    for row in make_rows(NAMES, 1, seed, samples / "media"):
        prompt = render(row)
        media, arrays = media_of(row, samples, True)
        if row.pop("reasoning_effort", ""):  # said by the system prompt, so that any server renders the same
            row["messages"] = [{"role": "system", "content": policy_of(prompt)}, *row["messages"]]
        ids = tokenizer.encode(prompt).ids
        out = Prompted(model, config, ids, media, perceive(model, *arrays)).greedy(stop)
        row.pop("taught", None)
        rows.append(row | {"prompt": prompt, "answer_ids": out,
                           "prompt_ids": build(ids, special_ids(config), media).ids,
                           "model_answer": tokenizer.decode(out[:-1], skip_special_tokens=False)})
    (samples / "answers.json").write_text(json.dumps(rows, ensure_ascii=False, indent=1) + "\n")
