"""What all stages share: optimisers, learning rate, checkpoints that continue, a log."""
import json
import math
import os
import pathlib
import signal
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import torch
from torch import Tensor, nn


# workers for what can be done side by side, each with one thread of its own in torch: on shared cores that is faster
# than two threads that wait for each other in every product
POOL = ThreadPoolExecutor(2)

WARM = 50  # steps in which the rate rises


class Muon(torch.optim.Optimizer):
    """Momentum whose update is made orthogonal by Newton–Schulz steps, in float32, scaled like AdamW's updates.

    Matrices are updated side by side in `POOL`.
    """

    def __init__(self, groups: list[dict], momentum: float = 0.95, decay: float = 0.05):
        super().__init__(groups, {"momentum": momentum, "decay": decay})

    def step(self) -> None:
        list(POOL.map(lambda job: self.update(*job), [(g, p) for g in self.param_groups for p in g["params"]]))

    @torch.no_grad()
    def update(self, group: dict, p: Tensor) -> None:
        if p.grad is None:
            return
        state = self.state[p]
        if not state:
            state["mean"] = torch.zeros_like(p)
        state["mean"].lerp_(p.grad, 1 - group["momentum"])
        update = orthogonal(p.grad.lerp(state["mean"], group["momentum"]))
        p.mul_(1 - group["lr"] * group["decay"])
        p.add_(update, alpha=-0.2 * max(p.shape) ** 0.5 * group["lr"])


def orthogonal(x: Tensor, steps: int = 5) -> Tensor:
    """The nearest matrix with singular values about 1, by a quintic Newton–Schulz iteration."""
    flip = x.shape[0] > x.shape[1]
    x = x.T if flip else x
    x = x / (x.norm() + 1e-7)
    for _ in range(steps):
        gram = x @ x.T
        x = 3.4445 * x + (-4.7750 * gram + 2.0315 * (gram @ gram)) @ x
    return x.T if flip else x


def is_block_matrix(name: str, parameter: Tensor) -> bool:
    """Weights for Muon: matrices inside repeated blocks (mergers and embeddings stay with AdamW)."""
    return parameter.ndim == 2 and (".blocks." in name or ".layers." in name)


def optimisers(named: list[tuple[str, Tensor]], muon_lr: float, adam_lr: float,
               part: Callable[[str], tuple[str, float]] = lambda name: ("", 1.0),
               skip: str = "\0") -> list[torch.optim.Optimizer]:
    """Muon for block matrices (not where the name holds `skip`), AdamW for the rest.

    `part`: to which part of the model a parameter belongs, and what its learning rates are multiplied with. Parts keep
    their groups whatever the factors, so that a saved state goes on with others.
    """
    groups: dict[tuple, list[Tensor]] = {}
    for name, parameter in named:
        key = is_block_matrix(name, parameter) and skip not in name, parameter.ndim > 1, *part(name)
        groups.setdefault(key, []).append(parameter)
    muon = [{"params": p, "lr": muon_lr * s, "peak": muon_lr * s} for (m, _, _, s), p in groups.items() if m]
    adam = [{"params": p, "lr": adam_lr * s, "peak": adam_lr * s, "weight_decay": 0.05 if d else 0.0}
            for (m, d, _, s), p in groups.items() if not m]
    result = [torch.optim.AdamW(adam, betas=(0.9, 0.98))]
    if muon:
        result.append(Muon(muon))
    return result


def rate(step: int, steps: int, warm: int = WARM, decay: float = 0.35) -> float:
    """Warm-up, a plateau, linear decay to 0 over the last `decay` of the steps."""
    return min(1.0, (step + 1) / warm, (steps - step) / (decay * steps))


class Run:
    """One stage's state on disk: modules, optimisers, step; written every `every` seconds, at SIGTERM and at the end."""

    def __init__(self, path: pathlib.Path, modules: dict[str, nn.Module], opts: list[torch.optim.Optimizer],
                 every: float = 300):
        self.path, self.modules, self.opts, self.every = path, modules, opts, every
        self.step, self.saved, self.sums, self.count, self.cpu = 0, time.time(), {}, 0, time.process_time()
        self.ending = False
        signal.signal(signal.SIGTERM, self.end)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists():
            state = torch.load(path, weights_only=True)
            for name, module in modules.items():
                module.load_state_dict(state["modules"][name])
            for opt, saved in zip(opts, state["opts"]):
                for group, own in zip(saved["param_groups"], opt.param_groups):
                    group["peak"] = own["peak"]  # the command line decides
                opt.load_state_dict(saved)
            self.step = state["step"]

    def end(self, *_: object) -> None:
        """Asked to stop: saves after the step that is under way."""
        self.ending = True

    def save(self) -> None:
        """Writes beside and renames, so that a stop in the middle loses nothing."""
        state = {"modules": {n: m.state_dict() for n, m in self.modules.items()},
                 "opts": [o.state_dict() for o in self.opts], "step": self.step}
        beside = self.path.with_suffix(".part")
        torch.save(state, beside)
        os.replace(beside, self.path)
        self.saved = time.time()

    def update(self, loss: Tensor, factor: float, clip: float = 1.0) -> None:
        """One optimiser step at `factor` of the peak learning rates."""
        loss.backward()
        self.apply(factor, clip)

    def apply(self, factor: float, clip: float = 1.0) -> None:
        """The same from the gradients that are there."""
        parameters = [p for o in self.opts for g in o.param_groups for p in g["params"]]
        nn.utils.clip_grad_norm_(parameters, clip)
        for opt in self.opts:
            for group in opt.param_groups:
                group["lr"] = group["peak"] * factor
            opt.step()
            opt.zero_grad(set_to_none=True)
        self.step += 1
        if self.ending or time.time() - self.saved > self.every:
            self.save()
        if self.ending:
            raise SystemExit(f"stopped at step {self.step}, saved")

    def note(self, values: dict[str, float], every: int = 50) -> None:
        """Adds to running means and prints them every `every` steps as one line of JSON."""
        for name, value in values.items():
            total, n = self.sums.get(name, (0.0, 0))
            self.sums[name] = (total + value, n + 1)
        if self.step % every == 0:
            means = {k: round(total / n, 3) for k, (total, n) in sorted(self.sums.items()) if math.isfinite(total)}
            print(json.dumps({"step": self.step, "cpu_s": round(time.process_time() - self.cpu), **means}), flush=True)
            self.sums = {}
