"""Adds merges to a tokenizer for the texts that cost most (thinking policy, tools); old ids stay, new ones come last.

The special tokens enter the model's vocabulary under their ids, so that the new entries can follow them.
"""
import argparse
import collections
import json
import pathlib

from tokenizers import Tokenizer

from make_tokenizer import corpus


def grow(path: pathlib.Path, count: int, texts: list[str]) -> dict:
    """The tokenizer's JSON with `count` more merges, learned by plain BPE on what the old one makes of the texts."""
    old, data = Tokenizer.from_file(str(path)), json.loads(path.read_text())
    vocab, merges = data["model"]["vocab"], data["model"]["merges"]
    vocab |= {t["content"]: t["id"] for t in data["added_tokens"]}
    words: collections.Counter = collections.Counter()
    for text in texts:
        words.update(piece for piece, _ in old.pre_tokenizer.pre_tokenize_str(text))
    pieces = {w: [t.value for t in old.model.tokenize(w)] for w in words}
    for _ in range(count):
        pairs: collections.Counter = collections.Counter()
        for word, parts in pieces.items():
            for pair in zip(parts, parts[1:]):
                pairs[pair] += words[word]
        (a, b), _ = max(pairs.items(), key=lambda item: (item[1], item[0]))
        vocab[a + b] = max(vocab.values()) + 1
        merges.append([a, b] if isinstance(merges[0], list) else f"{a} {b}")
        for parts in pieces.values():
            i = 0
            while i + 1 < len(parts):
                if (parts[i], parts[i + 1]) == (a, b):
                    parts[i:i + 2] = [a + b]
                i += 1
    return data


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--start", type=pathlib.Path, required=True, help="the old tokenizer.json")
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("--more", type=int, default=128)
    parser.add_argument("--packs", type=int, default=1200)
    args = parser.parse_args()
    args.out.write_text(json.dumps(grow(args.start, args.more, corpus(args.packs)), ensure_ascii=False, indent=1) + "\n")
    print(Tokenizer.from_file(str(args.out)).get_vocab_size(), "entries")


if __name__ == "__main__":
    main()
