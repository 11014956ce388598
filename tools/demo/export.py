"""Writes the checkpoint folder (Hugging Face layout, bfloat16, official names) from a state of stage 3."""
import argparse
import json
import pathlib
import shutil

import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer

from data.geometry import MAX_PIXELS, MIN_PIXELS
from data.template import JINJA
from make_samples import write_samples
from train.stage3 import build

PREPROCESSOR = {
    "size": {"shortest_edge": MIN_PIXELS, "longest_edge": MAX_PIXELS}, "min_pixels": MIN_PIXELS, "max_pixels": MAX_PIXELS,
    "patch_size": 16, "temporal_patch_size": 2, "merge_size": 2, "image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.5],
}


def write_json(path: pathlib.Path, value: object) -> None:
    path.write_text(json.dumps(value, indent=1, ensure_ascii=False) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--state", type=pathlib.Path, required=True)
    parser.add_argument("--tokenizer", type=pathlib.Path, required=True)
    parser.add_argument("--start", type=pathlib.Path, help="the checkpoint that stage 3 went on from, if it did")
    parser.add_argument("--out", type=pathlib.Path, required=True)
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    tokenizer = Tokenizer.from_file(str(args.tokenizer))
    model, config = build(tokenizer, args.start)
    model.load_state_dict(torch.load(args.state, weights_only=True)["modules"]["model"])
    tensors = {k: v.to(torch.bfloat16).contiguous() for k, v in model.state_dict().items()}
    save_file(tensors, str(args.out / "model.safetensors"), {"format": "pt"})
    (args.out / "model.safetensors").chmod(0o644)
    stop, pad = tokenizer.token_to_id("<|im_end|>"), tokenizer.token_to_id("<|endoftext|>")
    write_json(args.out / "config.json", config | {"reasoning": "optional"})
    write_json(args.out / "generation_config.json",
               {"eos_token_id": stop, "pad_token_id": pad, "do_sample": False, "max_new_tokens": 256})
    write_json(args.out / "preprocessor_config.json", PREPROCESSOR | {"image_processor_type": "Qwen2VLImageProcessorFast"})
    write_json(args.out / "video_preprocessor_config.json", PREPROCESSOR | {
        "video_processor_type": "Qwen2VLVideoProcessor", "fps": 2, "min_frames": 4, "max_frames": 768})
    shutil.copy(args.tokenizer, args.out / "tokenizer.json")
    added = {str(i): {"content": t.content, "special": t.special, "normalized": False, "lstrip": False, "rstrip": False,
                      "single_word": False} for i, t in tokenizer.get_added_tokens_decoder().items()}
    write_json(args.out / "tokenizer_config.json", {
        "tokenizer_class": "Qwen2Tokenizer", "eos_token": "<|im_end|>", "pad_token": "<|endoftext|>", "bos_token": None,
        "unk_token": None, "model_max_length": 4096, "clean_up_tokenization_spaces": False, "add_prefix_space": False,
        "added_tokens_decoder": added, "chat_template": JINJA})
    write_samples(args.out)


if __name__ == "__main__":
    main()
