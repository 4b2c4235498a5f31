"""The shipped network beside textbook classifiers: accuracy, time and size, on the same images and threads."""
