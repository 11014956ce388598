"""The whole model under the official tensor names."""
import torch
from torch import Tensor, nn

from .audio import AudioEncoder, Connector
from .text import Text
from .vision import Vision


class Inner(nn.Module):
    def __init__(self, config: dict):
        super().__init__()
        self.language_model = Text(config["text_config"])
        self.visual = Vision(config["vision_config"])
        self.audio_encoder = AudioEncoder(config["audio_config"])
        self.audio_connector = Connector(config["audio_config"]["output_dim"], config["connector_hidden_size"],
                                         config["text_config"]["hidden_size"])


class Valley(nn.Module):
    def __init__(self, config: dict):
        super().__init__()
        self.model = Inner(config)
        text = config["text_config"]
        self.lm_head = nn.Linear(text["hidden_size"], text["vocab_size"], bias=False)

    def see(self, rows: Tensor, h: int, w: int) -> tuple[Tensor, list[Tensor]]:
        """Pixel rows (n, temporal, h·w, 1536) -> visual tokens (n, temporal·h·w/4, width), and deepstack features."""
        n, t = rows.shape[:2]
        merged, taps = self.model.visual(rows.flatten(0, 1), h, w)
        return merged.reshape(n, -1, merged.shape[-1]), [f.reshape(n, -1, f.shape[-1]) for f in taps]

    def hear(self, mel: Tensor) -> Tensor:
        """(n, 128, frames) -> audio tokens (n, tokens, width)"""
        return self.model.audio_connector(self.model.audio_encoder.encoder(mel))

    def hidden(self, ids: Tensor, positions: Tensor, mask: Tensor, visual: tuple[Tensor, Tensor] | None = None,
               seen: Tensor | None = None, taps: list[Tensor] = (), audio: tuple[Tensor, Tensor] | None = None,
               heard: Tensor | None = None) -> Tensor:
        """Token ids (n, length) with media features spliced in at (rows, columns) -> last hidden states."""
        x = self.model.language_model.embed_tokens(ids)
        if visual is not None:
            x = x.index_put(visual, seen)
        if audio is not None:
            x = x.index_put(audio, heard)
        return self.model.language_model(x, positions, mask, visual, taps)


def causal(length: int) -> Tensor:
    """The plain mask of one conversation: (1, 1, length, length)."""
    return torch.full((length, length), -1e9).triu(1)[None, None]
