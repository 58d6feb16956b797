"""How right a scorer is on labelled public series; what `mad bench quality` runs."""
