"""The vision tower: patches -> merged tokens and deepstack features."""
import torch
import torch.nn.functional as F
from torch import Tensor, nn


def attention(q: Tensor, k: Tensor, v: Tensor, scale: float, mask: Tensor | None = None) -> Tensor:
    """softmax(q kᵀ · scale + mask) v over (batch, heads, length, width); short ones written out, where that is faster."""
    if mask is not None and q.shape[2] > 160:
        return F.scaled_dot_product_attention(q, k, v, mask, scale=scale)
    scores = (q * scale) @ k.transpose(-1, -2)
    if mask is not None:
        scores = scores + mask
    return scores.float().softmax(-1).to(v.dtype) @ v


def turn(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Rotary embedding with rotating halves."""
    a, b = x.chunk(2, -1)
    return x * cos + torch.cat([-b, a], -1) * sin


class PatchEmbed(nn.Module):
    def __init__(self, c: dict):
        super().__init__()
        size = (c["temporal_patch_size"], c["patch_size"], c["patch_size"])
        self.proj = nn.Conv3d(c["in_channels"], c["hidden_size"], size, size)

    def forward(self, rows: Tensor) -> Tensor:
        """(…, 3·2·16·16) -> (…, width)"""
        return F.linear(rows, self.proj.weight.flatten(1), self.proj.bias)


class Attention(nn.Module):
    def __init__(self, c: dict):
        super().__init__()
        self.heads = c["num_heads"]
        self.qkv = nn.Linear(c["hidden_size"], 3 * c["hidden_size"])
        self.proj = nn.Linear(c["hidden_size"], c["hidden_size"])

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        n, length, width = x.shape
        q, k, v = self.qkv(x).view(n, length, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        out = attention(turn(q, cos, sin), turn(k, cos, sin), v, (width // self.heads) ** -0.5)
        return self.proj(out.transpose(1, 2).reshape(n, length, width))


class Mlp(nn.Module):
    def __init__(self, c: dict):
        super().__init__()
        self.linear_fc1 = nn.Linear(c["hidden_size"], c["intermediate_size"])
        self.linear_fc2 = nn.Linear(c["intermediate_size"], c["hidden_size"])

    def forward(self, x: Tensor) -> Tensor:
        return self.linear_fc2(F.gelu(self.linear_fc1(x), approximate="tanh"))


class Block(nn.Module):
    def __init__(self, c: dict):
        super().__init__()
        self.norm1 = nn.LayerNorm(c["hidden_size"], 1e-6)
        self.norm2 = nn.LayerNorm(c["hidden_size"], 1e-6)
        self.attn = Attention(c)
        self.mlp = Mlp(c)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        x = x + self.attn(self.norm1(x), cos, sin)
        return x + self.mlp(self.norm2(x))


class Merger(nn.Module):
    """Joins 2×2 patches; the deepstack mergers normalise the joined width, the final one each patch."""

    def __init__(self, c: dict, joined: bool):
        super().__init__()
        self.width = c["hidden_size"] * c["spatial_merge_size"] ** 2
        self.joined = joined
        self.norm = nn.LayerNorm(self.width if joined else c["hidden_size"], 1e-6)
        self.linear_fc1 = nn.Linear(self.width, self.width)
        self.linear_fc2 = nn.Linear(self.width, c["out_hidden_size"])

    def forward(self, x: Tensor) -> Tensor:
        """(n, patches, width) -> (n, patches / 4, out)"""
        n = x.shape[0]
        x = self.norm(x.view(n, -1, self.width)) if self.joined else self.norm(x).view(n, -1, self.width)
        return self.linear_fc2(F.gelu(self.linear_fc1(x)))


class Vision(nn.Module):
    def __init__(self, c: dict):
        super().__init__()
        self.c = c
        self.side = round(c["num_position_embeddings"] ** 0.5)
        self.patch_embed = PatchEmbed(c)
        self.pos_embed = nn.Embedding(c["num_position_embeddings"], c["hidden_size"])
        self.blocks = nn.ModuleList(Block(c) for _ in range(c["depth"]))
        self.merger = Merger(c, False)
        self.deepstack_merger_list = nn.ModuleList(Merger(c, True) for _ in c["deepstack_visual_indexes"])

    def places(self, h: int, w: int) -> tuple[Tensor, Tensor]:
        """Row and column of each patch of an (h, w) patch grid, in merge-block order."""
        m = self.c["spatial_merge_size"]
        grid = torch.arange(h * w).view(h // m, m, w // m, m).transpose(1, 2).flatten()
        return grid // w, grid % w

    def positions(self, h: int, w: int) -> Tensor:
        """Learned positions, bilinear between the four nearest of the table: (h·w, width) in merge-block order."""
        n = self.side
        y, x = torch.linspace(0, n - 1, h), torch.linspace(0, n - 1, w)
        y0, x0 = y.long(), x.long()
        y1, x1 = (y0 + 1).clamp(max=n - 1), (x0 + 1).clamp(max=n - 1)
        dy, dx = (y - y0)[:, None], (x - x0)[None]
        table = self.pos_embed.weight.float()
        total = torch.zeros(h, w, table.shape[1])
        for rows, columns, weight in ((y0, x0, (1 - dy) * (1 - dx)), (y0, x1, (1 - dy) * dx),
                                      (y1, x0, dy * (1 - dx)), (y1, x1, dy * dx)):
            total = total + table[rows[:, None] * n + columns[None]] * weight[..., None]
        row, column = self.places(h, w)
        return total[row, column]

    def rotary(self, h: int, w: int) -> tuple[Tensor, Tensor]:
        """cos and sin, each (h·w, head width)."""
        quarter = self.c["hidden_size"] // self.c["num_heads"] // 4
        frequency = 10000 ** (-torch.arange(quarter).double() / quarter)
        row, column = self.places(h, w)
        angles = torch.cat([row[:, None] * frequency, column[:, None] * frequency], 1).repeat(1, 2)
        return angles.cos().float(), angles.sin().float()

    def forward(self, rows: Tensor, h: int, w: int) -> tuple[Tensor, list[Tensor]]:
        """(frames, h·w, 1536) pixel rows of one grid -> merged (frames, h·w/4, out), and as many deepstack features."""
        cos, sin = self.rotary(h, w)
        x = self.patch_embed(rows) + self.positions(h, w)
        taps = []
        for i, block in enumerate(self.blocks):
            x = block(x, cos.to(x.dtype), sin.to(x.dtype))
            if i in self.c["deepstack_visual_indexes"]:
                taps.append(self.deepstack_merger_list[len(taps)](x))
        return self.merger(x), taps
