"""skorch: ``NeuralNetClassifier`` with its own loop and data loader, without prints and scores."""

import numpy as np
import torch
from skorch import NeuralNetBinaryClassifier, NeuralNetClassifier
from torch import nn

from sides.torch_eager import network, weights_of


class GivenOrders(torch.utils.data.Sampler):
    """Sampler that gives the rows of one epoch after the other, in given orders."""

    def __init__(self, orders):
        self.orders = orders
        self.epoch = 0

    def __len__(self):
        return self.orders.shape[1]

    def __iter__(self):
        self.epoch += 1
        return iter(self.orders[self.epoch - 1].tolist())


def prepare(work):
    torch.set_num_threads(1)
    workload = work.workload
    orders = np.concatenate(work.batches).reshape(workload.n_epochs, -1)
    kind, criterion = NeuralNetClassifier, nn.CrossEntropyLoss
    if work.is_binary:
        kind, criterion = NeuralNetBinaryClassifier, nn.BCEWithLogitsLoss
    y = work.y.astype(work.dtype) if work.is_binary else work.y

    def fit():
        model = kind(
            network(work),
            criterion=criterion,
            optimizer=torch.optim.Adam,
            optimizer__param_groups=[("*.bias", {"weight_decay": 0.0})],
            optimizer__weight_decay=work.alpha / workload.batch_size,
            lr=1e-3,
            batch_size=workload.batch_size,
            max_epochs=workload.n_epochs,
            iterator_train__sampler=GivenOrders(orders),
            train_split=None,
            callbacks__print_log=None,
            verbose=0,
        )
        model.fit(work.X, y)
        return weights_of(model.module_)

    return fit
