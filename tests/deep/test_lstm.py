"""The LSTM autoencoder against PyTorch: loss and gradient of the same weights."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import numpy as np
import torch

ROOT = Path(__file__).parents[2]


def printed() -> dict[str, torch.Tensor]:
    """What `model-peers lstm` prints, by name."""
    program = os.environ.get("MODEL_PEERS", str(ROOT / "target/debug/model-peers"))
    done = subprocess.run([program, "lstm"], capture_output=True, text=True, check=True, timeout=60)
    lines = [line.split() for line in done.stdout.splitlines()]
    return {name: torch.tensor([float(one) for one in values]) for name, *values in lines}


def parts(flat: torch.Tensor, shapes: list[tuple[int, int]]) -> list[torch.Tensor]:
    """A list of parameters as matrices of outputs and inputs; they are stored by input."""
    found, at = [], 0
    for outputs, inputs in shapes:
        count = outputs * inputs
        found.append(flat[at : at + count].reshape(inputs, outputs).T.contiguous())
        at += count
    assert at == len(flat)
    return found


def test_loss_errors_and_gradient_are_those_of_pytorch() -> None:
    torch.set_default_dtype(torch.float64)
    known = printed()
    steps, features, units = (int(one) for one in known["shape"])
    gates = 4 * units
    shapes = [(gates, features), (gates, units), (gates, 1)]
    shapes += [(gates, units), (gates, units), (gates, 1), (features, units), (features, 1)]
    encoder = torch.nn.LSTM(features, units)
    decoder = torch.nn.LSTM(units, units)
    output = torch.nn.Linear(units, features)
    mine = parts(known["parameters"], shapes)
    theirs = [encoder.weight_ih_l0, encoder.weight_hh_l0, encoder.bias_ih_l0]
    theirs += [decoder.weight_ih_l0, decoder.weight_hh_l0, decoder.bias_ih_l0]
    theirs += [output.weight, output.bias]
    with torch.no_grad():
        # PyTorch has a second bias, which is added to the first
        for second in (encoder.bias_hh_l0, decoder.bias_hh_l0):
            second.zero_()
        for parameter, value in zip(theirs, mine, strict=True):
            parameter.copy_(value.reshape(parameter.shape))
    rows = known["rows"].reshape(steps, features)
    _, (code, _) = encoder(rows)
    repeated, _ = decoder(code.expand(steps, units))
    squares = (output(repeated) - rows) ** 2
    loss = squares.mean()
    loss.backward()
    np.testing.assert_allclose(known["loss"].item(), loss.item(), rtol=1e-12)
    errors = squares.mean(axis=1).detach()
    np.testing.assert_allclose(known["errors"].numpy(), errors.numpy(), rtol=1e-12)
    gradients = parts(known["gradient"], shapes)
    for place, (parameter, gradient) in enumerate(zip(theirs, gradients, strict=True)):
        assert parameter.grad is not None
        expected = parameter.grad.reshape(gradient.shape)
        np.testing.assert_allclose(
            gradient.numpy(), expected.numpy(), rtol=1e-9, atol=1e-13, err_msg=str(place)
        )
        assert gradient.abs().max() > 1e-6, place
