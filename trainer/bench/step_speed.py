"""One training step of a recipe's network in PyTorch, on one thread.

Usage: step_speed.py RECIPE.toml FRAMES

Answers each line of standard input with one JSON line {"seconds", "memory"}: a step forward, backward and through
AdamW, with clipped gradients, and the largest memory so far in bytes.
"""

import json
import resource
import sys
import time
import tomllib

import torch
from torch import nn
from torch.nn import functional

torch.set_num_threads(1)
torch.manual_seed(1)
BANDS, CLASSES = 64, 6

with open(sys.argv[1], "rb") as file:
    recipe = tomllib.load(file)
frames = int(sys.argv[2])
sizes, training = recipe["network"], recipe["training"]


class Residual(nn.Module):
    """A block that adds its input."""

    def __init__(self, filters, kernel):
        super().__init__()
        self.convolution = nn.Conv2d(filters, filters, kernel, padding=kernel // 2, bias=False)
        self.norm = nn.BatchNorm2d(filters)

    def forward(self, image):
        return functional.relu(self.norm(self.convolution(image)) + image)


class Front(nn.Module):
    """What comes before the recurrent layers: `[batch, frames, 64]` to `[batch, steps, width]`."""

    def __init__(self):
        super().__init__()
        self.is_crnn = sizes.get("architecture", "cnn-lstm") == "crnn"
        if not self.is_crnn:
            filters, kernel = sizes.get("conv_filters", 256), sizes.get("conv_kernel", 5)
            self.width = filters
            self.layers = nn.Sequential(
                nn.Conv1d(BANDS, filters, kernel, padding=kernel // 2, bias=False),
                nn.BatchNorm1d(filters),
                nn.MaxPool1d(sizes.get("pool", 4)),
                nn.ReLU(),
            )
            return
        layers, channels, bands = [], 1, BANDS
        for block in sizes["blocks"]:
            if block.get("residual", False):
                layers.append(Residual(channels, block.get("kernel", 3)))
                continue
            layers += [
                nn.Conv2d(
                    channels, block["filters"], block.get("kernel", 3), padding=block.get("kernel", 3) // 2,
                    stride=tuple(block.get("stride", (1, 1))), bias=False,
                ),
                nn.BatchNorm2d(block["filters"]),
                nn.MaxPool2d(tuple(block.get("pool", (1, 1)))),
                nn.ReLU(),
            ]
            channels = block["filters"]
            bands = -(-bands // block.get("stride", (1, 1))[1]) // block.get("pool", (1, 1))[1]
        self.layers = nn.Sequential(*layers).to(memory_format=torch.channels_last)
        self.dropout = nn.Dropout(sizes.get("front_dropout", 0.0))
        self.width = sizes.get("projection", 0) or channels * bands
        self.projection = None
        if sizes.get("projection", 0):
            self.projection = nn.Linear(channels * bands, self.width, bias=False)
            self.norm = nn.BatchNorm1d(self.width)

    def forward(self, features):
        if not self.is_crnn:
            return self.layers(features.transpose(1, 2)).transpose(1, 2)
        image = self.layers(features[:, None].contiguous(memory_format=torch.channels_last))
        sequence = self.dropout(image.permute(0, 2, 3, 1).flatten(2))
        if self.projection is not None:
            sequence = functional.relu(self.norm(self.projection(sequence).transpose(1, 2))).transpose(1, 2)
        return sequence


class Network(nn.Module):
    def __init__(self):
        super().__init__()
        self.front = Front()
        width = self.front.width
        self.lstm = None
        both = sizes.get("bidirectional", False)
        if sizes["lstm_layers"]:
            self.lstm = nn.LSTM(
                width, sizes["lstm_units"], sizes["lstm_layers"], batch_first=True, bidirectional=both,
                dropout=sizes.get("lstm_dropout", 0.0),
            )
            width = sizes["lstm_units"] * (2 if both else 1)
        self.pooling, self.heads = sizes.get("pooling", "last"), sizes.get("heads", 1)
        if self.pooling.startswith("attention"):
            self.scores = nn.Linear(width, self.heads)
        width *= 2 if self.pooling == "attention-deviation" else 1
        self.dense = nn.Linear(width, sizes["dense_units"]) if sizes["dense_units"] else None
        self.output = nn.Linear(sizes["dense_units"] or width, CLASSES)
        self.dropout = nn.Dropout(sizes["dropout"])

    def forward(self, features):
        sequence = self.front(features)
        last = sequence[:, -1]
        if self.lstm is not None:
            sequence, (states, _) = self.lstm(sequence)
            last = torch.cat(list(states[-(2 if self.lstm.bidirectional else 1):]), 1)
        if self.pooling == "last":
            state = last
        elif self.pooling == "mean":
            state = sequence.mean(1)
        else:
            shares = torch.softmax(self.scores(sequence), 1)[..., None]
            values = sequence.unflatten(2, (self.heads, -1))
            state = (shares * values).sum(1).flatten(1)
            if self.pooling == "attention-deviation":
                square = (shares * values * values).sum(1).flatten(1)
                state = torch.cat([state, torch.sqrt(functional.relu(square - state * state) + 1e-4)], 1)
        if self.dense is not None:
            state = functional.relu(self.dense(state))
        return self.output(self.dropout(state))


network = Network()
optimizer = torch.optim.AdamW(network.parameters(), lr=1e-4, weight_decay=training["weight_decay"])
samples = training["batch"]
features = 4 * torch.rand(samples, frames, BANDS) - 2
targets = functional.one_hot(torch.arange(samples) % CLASSES, CLASSES).float()

for _ in sys.stdin:
    start = time.perf_counter()
    loss = -(targets * functional.log_softmax(network(features), 1)).sum(1).mean()
    optimizer.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(network.parameters(), training["clip_norm"])
    optimizer.step()
    seconds = time.perf_counter() - start
    memory = 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(json.dumps({"seconds": seconds, "memory": memory}), flush=True)
