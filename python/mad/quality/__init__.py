"""Accuracy of scorers on labelled public series, as `mad bench quality` measures it."""
