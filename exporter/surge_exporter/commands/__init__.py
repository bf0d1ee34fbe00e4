"""The commands: each wires config, runtime, web and render together for one job."""
