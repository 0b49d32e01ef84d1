"""PyTorch: a plain loop over batches with ``torch.optim.Adam``, as its tutorials write it."""

import torch
from torch import nn


def network(work):
    """Return the network of the work with its start weights."""
    layers = []
    for coef, intercept in work.start:
        linear = nn.Linear(*coef.shape, dtype=torch.from_numpy(coef).dtype)
        with torch.no_grad():
            linear.weight.copy_(torch.from_numpy(coef.T))
            linear.bias.copy_(torch.from_numpy(intercept))
        layers += [linear, nn.ReLU()]
    return nn.Sequential(*layers[:-1])


def weights_of(model):
    """Return the weights of a network of this module."""
    linears = [layer for layer in model if isinstance(layer, nn.Linear)]
    return [(layer.weight.detach().numpy().T, layer.bias.detach().numpy()) for layer in linears]


def prepare(work):
    torch.set_num_threads(1)
    X, y = torch.from_numpy(work.X), torch.from_numpy(work.y)
    loss_function = nn.CrossEntropyLoss()
    if work.is_binary:
        loss_function, y = nn.BCEWithLogitsLoss(), y.to(X.dtype)[:, None]
    batches = [torch.from_numpy(batch) for batch in work.batches]

    def fit():
        model = network(work)
        named = list(model.named_parameters())
        penalised = {"params": [w for name, w in named if name.endswith("weight")]}
        others = {"params": [w for name, w in named if name.endswith("bias")]}
        optimizer = torch.optim.Adam([penalised, others], lr=1e-3)
        total = torch.zeros(())
        for batch in batches:
            optimizer.param_groups[0]["weight_decay"] = work.alpha / len(batch)
            optimizer.zero_grad()
            loss = loss_function(model(X[batch]), y[batch])
            loss.backward()
            optimizer.step()
            total += loss.detach()
        return weights_of(model)

    return fit
