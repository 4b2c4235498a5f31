"""A textbook convolutional network: two convolutions with pooling and two full layers, no augmentation."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from training.compare.entrant import Progress, bytes_on_disk
from training.data import Images, Labels


class SimpleCnn:
    """Sixteen and 32 channels, Adam at 1e-3, four epochs in batches of 64."""

    EPOCHS, BATCH, RATE = 4, 64, 1e-3

    def __init__(self, seed: int, threads: int) -> None:
        self.order = torch.Generator().manual_seed(seed)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.network = nn.Sequential(
                *(nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)),
                *(nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)),
                *(nn.Flatten(), nn.Linear(32 * 7 * 7, 128), nn.ReLU(), nn.Linear(128, 10)),
            )

    def learn(self, images: Images, labels: Labels, progress: Progress) -> None:
        """Go through the images four times in new orders."""
        inputs, targets = to_input(images), torch.from_numpy(labels)
        optimiser = torch.optim.Adam(self.network.parameters(), lr=self.RATE)
        self.network.train()
        for epoch in range(self.EPOCHS):
            batches = torch.split(torch.randperm(len(labels), generator=self.order), self.BATCH)
            for done, batch in enumerate(batches, 1):
                optimiser.zero_grad()
                functional.cross_entropy(self.network(inputs[batch]), targets[batch]).backward()  # type: ignore[no-untyped-call]  # torch says no type
                optimiser.step()
                progress((epoch + done / len(batches)) / self.EPOCHS)
        self.network.eval()

    def read(self, images: Images) -> Labels:
        """Return the likeliest label."""
        with torch.inference_mode():
            return np.asarray(self.network(to_input(images)).argmax(1).numpy(), np.int64)

    def size(self) -> int:
        """Return the bytes of the weights."""
        return bytes_on_disk(weights.numpy() for weights in self.network.state_dict().values())


def to_input(images: Images) -> Tensor:
    """Return images as float32 (N, 1, 28, 28) in 0..1."""
    return torch.from_numpy(images[:, None].astype(np.float32) / np.float32(255))
