"""The model manager: a library that serves with the model a host can afford."""
