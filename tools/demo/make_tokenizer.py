"""Trains the byte-level BPE tokenizer on generated conversations; the official special tokens come last."""
import argparse
import pathlib
import random
import re

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

from data import packs
from data.template import POLICY, TOOLS_HEAD, TOOLS_TAIL
from data.words import NAMES

PATTERN = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")
SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|object_ref_start|>", "<|object_ref_end|>", "<|box_start|>",
           "<|box_end|>", "<|quad_start|>", "<|quad_end|>", "<|vision_start|>", "<|vision_end|>", "<|vision_pad|>",
           "<|image_pad|>", "<|video_pad|>", "<tool_call>", "</tool_call>", "<|fim_prefix|>", "<|fim_middle|>",
           "<|fim_suffix|>", "<|fim_pad|>", "<|repo_name|>", "<|file_sep|>", "<tool_response>", "</tool_response>",
           "<think>", "</think>", "<|audio_start|>", "<|audio_end|>", "<tts_pad>", "<tts_text_bos>", "<tts_text_eod>",
           "<tts_text_bos_single>", "<|audio_pad|>"]
PLAIN = {"<tool_call>", "</tool_call>", "<tool_response>", "</tool_response>", "<think>", "</think>"}


def corpus(count: int) -> list[str]:
    """Texts of generated conversations without their control tokens."""
    rng, texts = random.Random(7), []
    kinds = [("shapes", "plain"), ("product", "plain"), ("product", "follow_up"), ("speech", "plain"), ("sequence", "plain"),
             ("moving", "plain"), ("tagged_speech", "plain"), ("text", "plain"), ("text", "tools"), ("text", "tools"),
             ("product", "think"), ("product", "tools")]
    for i in range(count):
        kind, style = kinds[i % len(kinds)]
        pack = packs.make(rng, "train", packs.Shape(kind, style=style))
        body = [text for s in pack.segments for text, _ in s.turns]
        texts += [pack.prefix.split("<tools>")[-1].split("</tools>")[0] if style == "tools" else "", *body]
    fixed = [POLICY.format(effort="medium"), TOOLS_HEAD, TOOLS_TAIL, *packs.SYSTEMS, "minimal medium high"]
    texts += [*fixed * 200, *(f" {n} {n.capitalize()}" for n in NAMES * 40)]
    control = re.compile("|".join(map(re.escape, SPECIAL)))
    return [part for text in texts for part in control.split(text) if part]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("--size", type=int, default=1408, help="entries with the special tokens, at most")
    parser.add_argument("--packs", type=int, default=3000)
    args = parser.parse_args()
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(PATTERN), "isolated"), pre_tokenizers.ByteLevel(False, use_regex=False)])
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(vocab_size=args.size - len(SPECIAL), min_frequency=8, show_progress=False,
                                  initial_alphabet=pre_tokenizers.ByteLevel.alphabet())
    tokenizer.train_from_iterator(corpus(args.packs), trainer)
    for token in SPECIAL:
        added = AddedToken(token, normalized=False, special=token not in PLAIN)
        (tokenizer.add_tokens if token in PLAIN else tokenizer.add_special_tokens)([added])
    args.out.parent.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(args.out))
    print(tokenizer.get_vocab_size(), "entries")


if __name__ == "__main__":
    main()
