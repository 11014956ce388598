"""The text trunk: Qwen3 decoder with interleaved M-RoPE and deepstack."""
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .config import rope_theta
from .vision import attention, turn


class Norm(nn.Module):
    """RMSNorm"""

    def __init__(self, width: int, eps: float):
        super().__init__()
        self.weight, self.eps = nn.Parameter(torch.ones(width)), eps

    def forward(self, x: Tensor) -> Tensor:
        return F.rms_norm(x, (x.shape[-1],), self.weight, self.eps)


class Attention(nn.Module):
    def __init__(self, c: dict):
        super().__init__()
        self.heads, self.groups, self.size = c["num_attention_heads"], c["num_key_value_heads"], c["head_dim"]
        self.q_proj = nn.Linear(c["hidden_size"], self.heads * self.size, bias=False)
        self.k_proj = nn.Linear(c["hidden_size"], self.groups * self.size, bias=False)
        self.v_proj = nn.Linear(c["hidden_size"], self.groups * self.size, bias=False)
        self.o_proj = nn.Linear(self.heads * self.size, c["hidden_size"], bias=False)
        self.q_norm, self.k_norm = Norm(self.size, c["rms_norm_eps"]), Norm(self.size, c["rms_norm_eps"])

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor, mask: Tensor) -> Tensor:
        n, length, _ = x.shape
        q = self.q_norm(self.q_proj(x).view(n, length, self.heads, self.size)).transpose(1, 2)
        k = self.k_norm(self.k_proj(x).view(n, length, self.groups, self.size)).transpose(1, 2)
        v = self.v_proj(x).view(n, length, self.groups, self.size).transpose(1, 2)
        q, k = turn(q, cos, sin), turn(k, cos, sin)
        k, v = (t.repeat_interleave(self.heads // self.groups, 1) for t in (k, v))
        out = attention(q, k, v, self.size ** -0.5, mask)
        return self.o_proj(out.transpose(1, 2).reshape(n, length, -1))


class Mlp(nn.Module):
    def __init__(self, c: dict):
        super().__init__()
        self.gate_proj = nn.Linear(c["hidden_size"], c["intermediate_size"], bias=False)
        self.up_proj = nn.Linear(c["hidden_size"], c["intermediate_size"], bias=False)
        self.down_proj = nn.Linear(c["intermediate_size"], c["hidden_size"], bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.down_proj(F.silu(self.gate_proj(x)) * self.up_proj(x))


class Layer(nn.Module):
    def __init__(self, c: dict):
        super().__init__()
        self.self_attn, self.mlp = Attention(c), Mlp(c)
        self.input_layernorm = Norm(c["hidden_size"], c["rms_norm_eps"])
        self.post_attention_layernorm = Norm(c["hidden_size"], c["rms_norm_eps"])

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor, mask: Tensor) -> Tensor:
        x = x + self.self_attn(self.input_layernorm(x), cos, sin, mask)
        return x + self.mlp(self.post_attention_layernorm(x))


class Text(nn.Module):
    def __init__(self, c: dict):
        super().__init__()
        self.c = c
        self.embed_tokens = nn.Embedding(c["vocab_size"], c["hidden_size"])
        self.layers = nn.ModuleList(Layer(c) for _ in range(c["num_hidden_layers"]))
        self.norm = Norm(c["hidden_size"], c["rms_norm_eps"])

    def rotary(self, positions: Tensor) -> tuple[Tensor, Tensor]:
        """(3, n, length) positions -> cos and sin, each (n, 1, length, head width)."""
        half = self.c["head_dim"] // 2
        rope = self.c.get("rope_parameters") or self.c["rope_scaling"]
        frequency = (rope_theta(self.c) ** (-torch.arange(half).double() / half)).float()
        axis = torch.zeros(half, dtype=torch.long)
        for a in (1, 2):
            axis[a:3 * rope["mrope_section"][a]:3] = a
        angles = positions.float()[axis].permute(1, 2, 0) * frequency
        angles = torch.cat([angles, angles], -1)[:, None]
        return angles.cos(), angles.sin()

    def forward(self, x: Tensor, positions: Tensor, mask: Tensor, visual: tuple[Tensor, Tensor] | None = None,
                deepstack: list[Tensor] = ()) -> Tensor:
        """Embeddings (n, length, width) -> normalised hidden states.

        mask (n, 1, length, length): 0 or a large negative number. visual: (rows, columns) of the visual tokens,
        deepstack: features (count, width) added there after each of the first layers.
        """
        cos, sin = self.rotary(positions)
        for i, layer in enumerate(self.layers):
            x = layer(x, cos, sin, mask)
            if i < len(deepstack):
                x = x.index_put(visual, deepstack[i], accumulate=True)
        return self.norm(x)
