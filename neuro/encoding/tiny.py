"""Small networks for 32 x 32 images, trained in seconds: encoders of the demo, category judge.

Three architectures that share no layer: a vision transformer (`tiny`), a network of 5 x 5
convolutions with ReLU (`tiny_cnn`), and one of 3 x 3 convolutions with SiLU (`judge`).
"""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np

from neuro.base import seeds
from neuro.encoding.categories import Categories
from neuro.encoding.network import Network
from neuro.encoding.preprocess import reduced
from neuro.io.problems import InputProblem

KINDS = ("tiny", "tiny_cnn", "judge")
MAX_SIZE = 128
"""Larger images would take days on a CPU: they are made :data:`REDUCED` pixels wide."""
REDUCED = 64
WIDTH = 64
"""Length of the embedding."""


@dataclasses.dataclass(frozen=True)
class Recipe:
    """How long a small network is trained, and on how much.

    Attributes
    ----------
    epochs : float
        Passes through the images.
    batch : int
    rate : float
        Highest learning rate of the one-cycle schedule.
    """

    epochs: float = 12
    batch: int = 64
    rate: float = 2e-3


def network(kind, channels=3, size=32, patch=4, depth=3):
    """An untrained network that returns embeddings of length 64.

    Parameters
    ----------
    kind : {'tiny', 'tiny_cnn', 'judge'}
    channels, size : int
        Of the images.
    patch, depth : int
        Patch edge and number of blocks of the transformer.

    Returns
    -------
    torch.nn.Module

    Raises
    ------
    InputProblem
        When the kind is unknown or the size does not fit.
    """
    from torch import nn

    if kind not in KINDS:
        raise InputProblem(f"backbone: got '{kind}', expected one of {', '.join(KINDS)}")
    if size % 8 or size % patch or size > MAX_SIZE:
        raise InputProblem(
            f"backbone {kind}: images of {size} px; expected a multiple of 8 up to {MAX_SIZE}: "
            "resize them, or use another backbone"
        )
    if kind == "tiny":
        return transformer(channels, size, patch, depth)
    if kind == "tiny_cnn":
        layers = []
        for before, after in ((channels, 16), (16, 32), (32, 64)):
            layers += [nn.Conv2d(before, after, 5, stride=2, padding=2), nn.ReLU()]
        return nn.Sequential(*layers, nn.Flatten(), nn.Linear(64 * (size // 8) ** 2, WIDTH))
    layers = []
    for before, after in ((channels, 24), (24, 48), (48, 96)):
        layers += [
            nn.Conv2d(before, after, 3, stride=2, padding=1),
            nn.GroupNorm(8, after),
            nn.SiLU(),
        ]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(384, WIDTH))


def transformer(channels, size, patch, depth, width=WIDTH, heads=4):
    """A vision transformer with a class token and a projection, in the form of CLIP's."""
    import torch
    from torch import nn
    from torch.nn import functional

    class Block(nn.Module):
        def __init__(self):
            super().__init__()
            self.before, self.after = nn.LayerNorm(width), nn.LayerNorm(width)
            self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
            self.up, self.down = nn.Linear(width, 2 * width), nn.Linear(2 * width, width)

        def forward(self, x):
            n, tokens, _ = x.shape
            q, k, v = self.qkv(self.before(x)).view(n, tokens, 3, heads, -1).permute(2, 0, 3, 1, 4)
            mixed = functional.scaled_dot_product_attention(q, k, v)
            x = x + self.out(mixed.transpose(1, 2).flatten(2))
            return x + self.down(functional.gelu(self.up(self.after(x))))

    class Transformer(nn.Module):
        def __init__(self):
            super().__init__()
            self.patches = nn.Conv2d(channels, width, patch, stride=patch)
            self.token = nn.Parameter(0.02 * torch.randn(1, 1, width))
            self.place = nn.Parameter(0.02 * torch.randn(1, (size // patch) ** 2 + 1, width))
            self.blocks = nn.Sequential(*(Block() for _ in range(depth)))
            self.norm, self.project = nn.LayerNorm(width), nn.Linear(width, width, bias=False)

        def forward(self, x):
            x = self.patches(x).flatten(2).transpose(1, 2)
            x = torch.cat([self.token.expand(len(x), -1, -1), x], dim=1) + self.place
            return self.project(self.norm(self.blocks(x)[:, 0]))

    return Transformer()


def train(
    kind,
    images,
    *,
    labels=None,
    sizes=None,
    responses=None,
    reconstructions=None,
    recipe=None,
    patch=4,
    random_state=0,
    log=None,
):
    """Train a small network on categories, or on the responses themselves.

    Parameters
    ----------
    kind : {'tiny', 'tiny_cnn', 'judge'}
    images : ndarray of float32, shape (n, c, h, h)
    labels : array of int, shape (n,), optional
        Categories; the network is trained to name them.
    sizes : array, shape (n,), optional
        A number per image that is predicted as well.
    responses : array, shape (n, n_voxels), optional
        Used where there are no labels.
    reconstructions : ndarray, same shape as `images`, optional
        The images as a generator's decoder would draw them. Half of the inputs are replaced by
        them, so that the network also knows the generator's pictures.
    recipe : Recipe, optional
    patch : int
        Patch edge of the transformer.
    random_state : int
    log : callable, optional
        Gets one line at the end.

    Returns
    -------
    backbone : neuro.encoding.backbones.Network
    head : torch.nn.Linear
        From the embedding of length 1 to categories, size or voxels.

    Raises
    ------
    InputProblem
        When the images are not square or there is nothing to train on.
    """
    import torch
    from torch.nn import functional

    recipe = recipe or Recipe()
    n, channels, size, width = images.shape
    if size != width:
        raise InputProblem(f"backbone {kind}: images of {size} x {width} px, expected square ones")
    images, size, reconstructions = _seen(images, size, reconstructions)
    if labels is None and responses is None:
        raise InputProblem(f"backbone {kind}: needs labels or responses to train on")
    rng = seeds.generator(random_state, "tiny backbone", KINDS.index(kind))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(int(rng.integers(2**31)))
        net = network(kind, channels, size, patch)
        n_classes = 0 if labels is None else int(np.max(labels)) + 1
        n_out = responses.shape[1] if labels is None else n_classes + (sizes is not None)
        head = torch.nn.Linear(WIDTH, n_out)
    mean = images.mean(axis=(0, 2, 3))
    std = images.std(axis=(0, 2, 3)) + 1e-6
    scale = torch.tensor(mean).view(1, -1, 1, 1), torch.tensor(std).view(1, -1, 1, 1)
    x = torch.as_tensor(images)
    other = None if reconstructions is None else torch.as_tensor(reconstructions)
    target = torch.as_tensor(labels if labels is not None else responses)
    number = None if sizes is None else torch.as_tensor(np.asarray(sizes, np.float32))
    parameters = [*net.parameters(), *head.parameters()]
    batch = min(recipe.batch, n)
    steps = max(1, round(recipe.epochs * n / batch))
    optimiser = torch.optim.AdamW(parameters, lr=recipe.rate, weight_decay=1e-2)
    # of five steps the rise would be none, and the schedule divides by its length
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, recipe.rate, total_steps=max(steps + 1, 6), pct_start=0.2
    )
    net.train()
    order = np.empty(0, int)
    losses = []
    for _ in range(steps):
        if len(order) < batch:
            order = np.concatenate([order, rng.permutation(n)])
        rows, order = torch.from_numpy(order[:batch]), order[batch:]
        picture = x[rows]
        if other is not None:
            swap = torch.from_numpy(rng.random(batch) < 0.5).view(-1, 1, 1, 1)
            picture = torch.where(swap, other[rows], picture)
        embedding = net((picture - scale[0]) / scale[1])
        out = head(functional.normalize(embedding, dim=1) * WIDTH**0.5)
        if labels is None:
            loss = functional.mse_loss(out, target[rows].float())
        else:
            loss = functional.cross_entropy(out[:, :n_classes], target[rows].long())
            if number is not None:
                loss = loss + 5 * functional.mse_loss(out[:, -1], number[rows])
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        schedule.step()
        losses.append(loss.detach())
    if log:
        last = torch.stack(losses[-50:]).mean()
        log(f"{kind}: {steps} steps on {n} images, loss {last:.3f}")
    with torch.no_grad():
        head.weight.mul_(WIDTH**0.5)
    details = {"channels": channels, "patch": patch}
    return Network(kind, net, size, mean, std, keep_state=True, **details), head.requires_grad_(
        False
    )


def _seen(images, size, reconstructions):
    """Large images as the network will see them, with their edge."""
    if size <= MAX_SIZE:
        return images, size, reconstructions
    other = None if reconstructions is None else reduced(reconstructions, REDUCED)
    return reduced(images, REDUCED), REDUCED, other


def build(settings: dict, state: dict) -> Network:
    """A trained network from its settings and weights."""
    net = network(settings["name"], settings["channels"], settings["size"], settings["patch"])
    net.load_state_dict(state)
    return Network(
        settings["name"],
        net,
        settings["size"],
        settings["mean"],
        settings["std"],
        keep_state=True,
        channels=settings["channels"],
        patch=settings["patch"],
    )


def save(path, backbone, head=None, **fields) -> Path:
    """Write a small network, with its head if there is one, as safetensors.

    Parameters
    ----------
    path : path-like
    backbone : Network
    head : torch.nn.Linear, optional
    **fields
        Text or numbers for the header, e.g. `classes`.
    """
    from safetensors.torch import save_file

    tensors = {f"net.{name}": value.contiguous() for name, value in backbone.state().items()}
    if head is not None:
        tensors |= {f"head.{name}": value.contiguous() for name, value in head.state_dict().items()}
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(tensors, path, {"neuro": json.dumps({**fields, "backbone": backbone.settings()})})
    return path


def read(path):
    """Header and tensors of a file that :func:`save` wrote.

    Raises
    ------
    InputProblem
        When the file is missing or of another kind.
    """
    from safetensors import SafetensorError, safe_open

    path = Path(path)
    if not path.is_file():
        raise InputProblem(f"{path}: no such file; expected weights as .safetensors")
    try:
        with safe_open(path, "pt") as file:
            header = json.loads((file.metadata() or {})["neuro"])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, KeyError, ValueError):
        raise InputProblem(f"{path}: not a file of weights that neuro wrote") from None
    return header, tensors


def part(tensors: dict, prefix: str) -> dict:
    """The tensors whose names start with a prefix, which is removed."""
    return {
        name[len(prefix) :]: value for name, value in tensors.items() if name.startswith(prefix)
    }


def load(path) -> Network:
    """The backbone of a file that :func:`save` wrote."""
    header, tensors = read(path)
    return build(header["backbone"], part(tensors, "net."))


class CategoryJudge(Categories):
    """Names the category of images.

    Parameters
    ----------
    backbone : Network
    head : torch.nn.Linear
    classes : sequence of str
    """

    def __init__(self, backbone, head, classes):
        self.backbone, self.head, self.classes = backbone, head, list(classes)

    def _logits(self, features):
        return self.head(features)[:, : len(self.classes)]

    def save(self, path) -> Path:
        """Write the judge as safetensors.

        Parameters
        ----------
        path : path-like

        Returns
        -------
        pathlib.Path
        """
        return save(path, self.backbone, self.head, classes=self.classes)

    @classmethod
    def load(cls, path) -> CategoryJudge:
        """Read a judge that :meth:`save` wrote.

        Parameters
        ----------
        path : path-like

        Returns
        -------
        CategoryJudge
        """
        import torch

        header, tensors = read(path)
        weights = part(tensors, "head.")
        head = torch.nn.Linear(*reversed(weights["weight"].shape))
        head.load_state_dict(weights)
        net = build(header["backbone"], part(tensors, "net."))
        return cls(net, head.requires_grad_(False), header["classes"])
