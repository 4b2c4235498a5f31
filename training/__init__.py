"""From MNIST to a model package: data, augmentation, network, training, measuring, export."""
