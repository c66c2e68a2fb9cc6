"""Small teachers, and the loop that trains them."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from niwaki.sweep._distill_tasks import Task

_LEARNED = 0.9  # share of variance left, below which a teacher counts as trained


class Recurrent(nn.Module):
    """An LSTM of 20 units over a series of single values, read at its end: 1,861 weights."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(1, 20, batch_first=True)
        self.out = nn.Linear(20, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Return one number per series."""
        found: Tensor = self.out(self.lstm(x.unsqueeze(-1))[0][:, -1])
        return found


class Residual(nn.Module):
    """Two 3 by 3 convolutions with a shortcut, at half the size."""

    def __init__(self, width_in: int, width: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(width_in, width, 3, 2, 1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(),
            nn.Conv2d(width, width, 3, 1, 1, bias=False),
            nn.BatchNorm2d(width),
        )
        self.short = nn.Conv2d(width_in, width, 1, 2, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Return the block's output."""
        return torch.relu(self.body(x) + self.short(x))


class ResidualMaps(nn.Module):
    """A small residual network of maps without a channel axis."""

    def __init__(self) -> None:
        super().__init__()
        blocks = [Residual(a, b) for a, b in ((1, 12), (12, 24), (24, 48))]
        self.body = nn.Sequential(*blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten())
        self.out = nn.Linear(48, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Return one number per map."""
        found: Tensor = self.out(self.body(x.unsqueeze(1)))
        return found


def perceptron(length: int, *, width: int = 32) -> nn.Module:
    """Return a network of two hidden layers of `width` rectified units."""
    return nn.Sequential(
        nn.Linear(length, width),
        nn.ReLU(),
        nn.Linear(width, width),
        nn.ReLU(),
        nn.Linear(width, 1),
    )


def train_teacher(
    teacher: nn.Module,
    task: Task,
    *,
    epochs: int,
    seed: int,
    batch: int = 100,
    rate: float = 0.01,
    tries: int = 1,
) -> nn.Module:
    """Train on squared errors with Adam and a falling rate, and keep the best epoch.

    A fifth of the training samples decides which epoch of which try is best; the task's held-out
    samples stay unseen. The teacher comes back in eval mode and without gradients of its weights.

    Parameters
    ----------
    teacher
        Network; its weights are drawn anew from `seed`.
    task
        Training samples.
    epochs
        Passes of each try (count).
    seed
        Of weights and batches.
    batch, rate
        Samples per step (count), and the first learning rate.
    tries
        Fresh starts (count); up to three times as many while none explains a tenth of the variance
        of the samples that decide, for networks whose training sometimes fails.
    """
    generator = torch.Generator().manual_seed(seed)
    y = torch.from_numpy(task.y).float()
    centre, spread = y.mean(), y.std()
    y = (y - centre) / spread
    order = torch.randperm(len(y), generator=generator)
    held, used = order[: len(y) // 5], order[len(y) // 5 :]
    best, kept = float("inf"), teacher.state_dict()
    for attempt in range(3 * tries):
        if attempt >= tries and best < _LEARNED:
            break
        draw_weights(teacher, generator)
        optimiser = torch.optim.Adam(teacher.parameters(), lr=rate)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, epochs, rate / 50)
        for _ in range(epochs):
            shuffled = used[torch.randperm(len(used), generator=generator)]
            _epoch(teacher, optimiser, task.x, y, shuffled.split(batch))
            schedule.step()
            loss = _loss(teacher, task.x, y, held)
            if loss < best:
                best, kept = loss, {k: v.clone() for k, v in teacher.state_dict().items()}
    teacher.load_state_dict(kept)
    teacher.eval().requires_grad_(False)
    return Scaled(teacher, float(centre), float(spread)).eval()


def _epoch(
    teacher: nn.Module,
    optimiser: torch.optim.Optimizer,
    x: Tensor,
    y: Tensor,
    batches: Sequence[Tensor],
) -> None:
    teacher.train()
    for index in batches:
        optimiser.zero_grad()
        (teacher(x[index]).squeeze(1) - y[index]).square().mean().backward()
        nn.utils.clip_grad_norm_(teacher.parameters(), 1.0)
        optimiser.step()


@torch.no_grad()
def _loss(teacher: nn.Module, x: Tensor, y: Tensor, held: Tensor) -> float:
    teacher.eval()
    parts = [teacher(x[i]).squeeze(1) for i in held.split(500)]
    return float((torch.cat(parts) - y[held]).square().mean())


class Scaled(nn.Module):
    """A network whose output is brought back to the units of the response."""

    def __init__(self, body: nn.Module, centre: float, spread: float) -> None:
        super().__init__()
        self.body, self.centre, self.spread = body, centre, spread

    def forward(self, x: Tensor) -> Tensor:
        """Return the response."""
        found: Tensor = self.body(x) * self.spread + self.centre
        return found


def draw_weights(module: nn.Module, generator: torch.Generator) -> None:
    """Draw every weight anew, evenly within one over the root of its inputs (PyTorch's default).

    Forget gates start one higher, open, without which an LSTM often learns nothing of its start.
    """
    for part in module.modules():
        for weight in part.parameters(recurse=False):
            if isinstance(part, nn.BatchNorm2d):
                continue
            if isinstance(part, nn.LSTM):
                bound = part.hidden_size**-0.5
            else:
                main = part.weight
                bound = float(main[0].numel()) ** -0.5 if isinstance(main, Tensor) else 0.1
            with torch.no_grad():
                weight.uniform_(-bound, bound, generator=generator)
        if isinstance(part, nn.LSTM):
            with torch.no_grad():
                forget = slice(part.hidden_size, 2 * part.hidden_size)
                dict(part.named_parameters())["bias_ih_l0"][forget] += 1
