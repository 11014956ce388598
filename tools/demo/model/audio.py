"""The audio encoder and its connector: log-mel -> tokens."""
import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .vision import attention

CHUNK = 100  # mel frames, 2 × n_window


def token_count(frames: int) -> int:
    """Tokens of a sound of this many mel frames."""
    rest = frames % CHUNK
    for _ in range(3):
        rest = (rest - 1) // 2 + 1
    return rest + 13 * (frames // CHUNK)


class SelfAttention(nn.Module):
    def __init__(self, width: int, heads: int):
        super().__init__()
        self.heads = heads
        self.k_proj, self.v_proj, self.q_proj, self.out_proj = (nn.Linear(width, width) for _ in range(4))

    def forward(self, x: Tensor) -> Tensor:
        n, length, width = x.shape
        q, k, v = (p(x).view(n, length, self.heads, -1).transpose(1, 2) for p in (self.q_proj, self.k_proj, self.v_proj))
        out = attention(q, k, v, (width // self.heads) ** -0.5)
        return self.out_proj(out.transpose(1, 2).reshape(n, length, width))


class Layer(nn.Module):
    def __init__(self, c: dict):
        super().__init__()
        width = c["d_model"]
        self.self_attn = SelfAttention(width, c["encoder_attention_heads"])
        self.self_attn_layer_norm = nn.LayerNorm(width, 1e-5)
        self.fc1 = nn.Linear(width, c["encoder_ffn_dim"])
        self.fc2 = nn.Linear(c["encoder_ffn_dim"], width)
        self.final_layer_norm = nn.LayerNorm(width, 1e-5)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.self_attn(self.self_attn_layer_norm(x))
        return x + self.fc2(F.gelu(self.fc1(self.final_layer_norm(x))))


class Encoder(nn.Module):
    def __init__(self, c: dict):
        super().__init__()
        channels, width = c["downsample_hidden_size"], c["d_model"]
        self.conv2d1 = nn.Conv2d(1, channels, 3, 2, 1)
        self.conv2d2 = nn.Conv2d(channels, channels, 3, 2, 1)
        self.conv2d3 = nn.Conv2d(channels, channels, 3, 2, 1)
        self.conv_out = nn.Linear(channels * (c["num_mel_bins"] // 8), width, bias=False)
        self.layers = nn.ModuleList(Layer(c) for _ in range(c["encoder_layers"]))
        self.ln_post = nn.LayerNorm(width, 1e-5)
        self.proj1 = nn.Linear(width, width)
        self.proj2 = nn.Linear(width, c["output_dim"])
        half = width // 2
        rates = torch.exp(-math.log(10000) / (half - 1) * torch.arange(half))
        angles = torch.arange(13)[:, None] * rates
        self.register_buffer("places", torch.cat([angles.sin(), angles.cos()], 1), persistent=False)

    def forward(self, mel: Tensor) -> Tensor:
        """Sounds of one length, (n, 128, frames) -> (n, tokens, out); each attends only to itself."""
        n, bins, frames = mel.shape
        if frames > CHUNK:
            mel = F.pad(mel, (0, -frames % CHUNK))
        chunks = max(1, mel.shape[2] // CHUNK)
        x = mel.view(n, bins, chunks, -1).transpose(1, 2).reshape(n * chunks, 1, bins, -1)
        for conv in (self.conv2d1, self.conv2d2, self.conv2d3):
            x = F.gelu(conv(x))
        x = self.conv_out(x.flatten(1, 2).transpose(1, 2))
        x = (x + self.places[:x.shape[1]]).reshape(n, -1, x.shape[2])[:, :token_count(frames)]
        for layer in self.layers:
            x = layer(x)
        return self.proj2(F.gelu(self.proj1(self.ln_post(x))))


class AudioEncoder(nn.Module):
    def __init__(self, c: dict):
        super().__init__()
        self.encoder = Encoder(c)


class Connector(nn.Module):
    def __init__(self, width: int, hidden: int, out: int):
        super().__init__()
        self.proj_in, self.proj_mid = nn.Linear(width, hidden), nn.Linear(hidden, hidden)
        self.proj_out, self.ln = nn.Linear(hidden, out), nn.LayerNorm(out, 1e-5)

    def forward(self, x: Tensor) -> Tensor:
        return self.ln(self.proj_out(F.gelu(self.proj_mid(F.gelu(self.proj_in(x))))))
